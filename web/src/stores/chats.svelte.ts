// The person's chats as the side list shows them.
import * as api from '../services/api';
import { live } from '../services/live';

const PAGE = 100;

class Chats {
  list = $state<api.Chat[]>([]);
  folders = $state<api.Folder[]>([]);
  folder = $state<string | null>(null); // only chats of this one
  archived = $state(false);
  next = $state<string | null>(null);
  isLoaded = $state(false);
  #end: (() => void) | null = null;
  #listeners = new Set<(what: string, chat: string) => void>();
  #waiting: ReturnType<typeof setTimeout> | null = null;
  #line: Promise<void> = Promise.resolve();

  start(): void {
    this.#end ??= live().listen((event) => {
      if (event.type === 'listening') {
        this.#soon();
        this.#listeners.forEach((each) => each('missed', ''));
      }
      if (event.type !== 'changed') return;
      const isKnown = event.what === 'message' && event.chat === this.list[0]?.id; // it leads already
      if (['chat', 'message', 'folder'].includes(event.what) && !isKnown) this.#soon();
      this.#listeners.forEach((each) => each(event.what, event.what === 'chat' ? event.id : event.chat));
    });
  }

  stop(): void {
    this.#end?.();
    this.#end = null;
  }

  // Tells what of a chat has changed, here or in another tab; "missed": any may have.
  onChange(listener: (what: string, chat: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  find(id: string | null): api.Chat | undefined {
    return this.list.find((chat) => chat.id === id);
  }

  // One after the other: of two at once the older answer could come last, and stay.
  refresh(): Promise<void> {
    const done = this.#line.then(() => this.#read());
    this.#line = done.catch(() => {});
    return done;
  }

  async #read(): Promise<void> {
    const [page, folders] = await Promise.all([
      api.listChats({ folder: this.folder ?? undefined, archived: this.archived, limit: Math.min(200, Math.max(PAGE, this.list.length)) }),
      api.listFolders(),
    ]);
    this.list = page.data;
    this.next = page.next;
    this.folders = folders.data;
    this.isLoaded = true;
  }

  async more(): Promise<void> {
    const cursor = this.next;
    if (!cursor) return;
    this.next = null;
    const page = await api.listChats({ folder: this.folder ?? undefined, archived: this.archived, cursor, limit: PAGE });
    const known = new Set(this.list.map((chat) => chat.id));
    this.list.push(...page.data.filter((chat) => !known.has(chat.id)));
    this.next = page.next;
  }

  async show(filter: { folder?: string | null; archived?: boolean }): Promise<void> {
    this.folder = filter.folder ?? null;
    this.archived = filter.archived ?? false;
    await this.refresh();
  }

  async change(id: string, change: api.ChatChange): Promise<void> {
    this.put(await api.changeChat(id, change));
  }

  async addFolder(name: string): Promise<api.Folder> {
    const folder = await api.addFolder(name);
    this.folders = [...this.folders, folder].sort((a, b) => a.name.localeCompare(b.name));
    return folder;
  }

  async removeFolder(id: string): Promise<void> {
    await api.removeFolder(id);
    await this.show({});
  }

  async renameFolder(id: string, name: string): Promise<void> {
    await api.renameFolder(id, name);
    this.folders = this.folders.map((folder) => (folder.id === id ? { ...folder, name } : folder));
  }

  async remove(id: string): Promise<void> {
    await api.removeChat(id);
    this.list = this.list.filter((chat) => chat.id !== id);
  }

  // A chat as the server has just told it.
  put(chat: api.Chat): void {
    const belongs =
      !chat.temporary &&
      (chat.archived_at !== null) === this.archived &&
      (this.folder === null || chat.folder === this.folder);
    const others = this.list.filter((other) => other.id !== chat.id);
    this.list = belongs ? [chat, ...others].sort((a, b) => b.updated_at - a.updated_at) : others;
  }

  #soon(): void {
    if (this.#waiting !== null) return;
    this.#waiting = setTimeout(() => {
      this.#waiting = null;
      void this.refresh().catch(() => {});
    }, 150);
  }
}

export const chats = new Chats();
