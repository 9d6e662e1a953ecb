// A wish to print a chat: fulfilled where its messages are shown.
class Printing {
  chat = $state<string | null>(null);

  ask(chat: string): void {
    this.chat = chat;
  }

  // Whether it was this one that is wanted, once.
  take(chat: string | undefined): boolean {
    if (chat === undefined || this.chat !== chat) return false;
    this.chat = null;
    return true;
  }
}

export const printing = new Printing();
