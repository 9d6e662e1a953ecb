// A text that grows by events which count in bytes of UTF-8: "the text of an event replaces
// everything from its offset on" (docs/chats.md).
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class ByteText {
  text: string;
  #length: number;

  constructor(text = '') {
    this.text = text;
    this.#length = encoder.encode(text).length;
  }

  // In bytes: the place from which more is wanted.
  get length(): number {
    return this.#length;
  }

  replaceFrom(offset: number, text: string): void {
    if (offset < this.#length) {
      this.text = decoder.decode(encoder.encode(this.text).subarray(0, offset)) + text;
    } else {
      this.text += text;
    }
    this.#length = Math.min(offset, this.#length) + encoder.encode(text).length;
  }

  // What stands behind byte `offset`, which is at a character's beginning.
  after(offset: number): string {
    if (offset <= 0) return this.text;
    if (offset >= this.#length) return '';
    return decoder.decode(encoder.encode(this.text).subarray(offset));
  }
}
