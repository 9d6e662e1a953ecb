// Shares one source among many readers (tabs): an answer that two of them show is read once.
// Lives in a SharedWorker, or in the page where there is none.
import { ByteText } from '../../lib/byte_text';
import type { AnswerEvent, ChangeEvent, LiveSource } from './events';

interface Followed {
  readers: Set<(event: AnswerEvent) => void>;
  text: ByteText; // from `begin` on
  begin: number;
  connected: boolean;
  end: () => void;
}

export class Hub implements LiveSource {
  #source: LiveSource;
  #followed = new Map<string, Followed>();
  #changeReaders = new Set<(event: ChangeEvent) => void>();
  #endChanges: (() => void) | null = null;

  constructor(source: LiveSource) {
    this.#source = source;
  }

  follow(message: string, from: number, reader: (event: AnswerEvent) => void): () => void {
    let followed = this.#followed.get(message);
    if (followed && from < followed.begin) {
      // What this reader lacks is not here: it is read anew for all, and replaces what they have.
      const readers = followed.readers;
      followed.end();
      followed = this.#open(message, from, readers);
    } else if (followed) {
      const text = followed.text.after(from - followed.begin);
      const offset = Math.min(from, followed.begin + followed.text.length);
      reader({ type: 'connection', connected: followed.connected });
      reader({ type: 'text', offset, text, next: followed.begin + followed.text.length });
    } else {
      followed = this.#open(message, from, new Set());
    }
    followed.readers.add(reader);
    return () => this.#leave(message, reader);
  }

  listen(reader: (event: ChangeEvent) => void): () => void {
    this.#changeReaders.add(reader);
    if (this.#endChanges) reader({ type: 'listening' });
    else this.#endChanges = this.#source.listen((event) => this.#tell(event));
    return () => {
      this.#changeReaders.delete(reader);
      if (this.#changeReaders.size > 0) return;
      this.#endChanges?.();
      this.#endChanges = null;
    };
  }

  #tell(event: ChangeEvent): void {
    if (event.type === 'refused') this.#endChanges = null; // the next reader asks anew
    [...this.#changeReaders].forEach((each) => each(event));
  }

  #open(message: string, from: number, readers: Followed['readers']): Followed {
    const followed: Followed = { readers, text: new ByteText(), begin: from, connected: true, end: () => {} };
    this.#followed.set(message, followed);
    followed.end = this.#source.follow(message, from, (event) => {
      if (event.type === 'text') {
        if (event.offset < followed.begin) {
          followed.begin = event.offset;
          followed.text = new ByteText();
        }
        followed.text.replaceFrom(event.offset - followed.begin, event.text);
      } else if (event.type === 'connection') {
        followed.connected = event.connected;
      } else if (this.#followed.get(message) === followed) {
        this.#followed.delete(message);
      }
      [...followed.readers].forEach((each) => each(event));
    });
    return followed;
  }

  #leave(message: string, reader: (event: AnswerEvent) => void): void {
    const followed = this.#followed.get(message);
    if (!followed?.readers.delete(reader) || followed.readers.size > 0) return;
    this.#followed.delete(message);
    followed.end();
  }
}
