// Live events over the WebSocket /api/live: one line for all answers and all changes. Where
// something between the browser and the server lets no WebSocket through, another source is used.
import type { RunExtra } from '../api';
import type { AnswerEvent, AnswerState, ChangeEvent, LiveSource } from './events';

// What of a WebSocket is used; tests have their own.
export interface Line {
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onmessage: ((event: { data: string }) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface SocketOptions {
  open: () => Line;
  isLetIn: () => Promise<boolean>; // false: nobody is logged in; throws where the server is away
  instead: LiveSource;
}

interface Follow {
  place: number;
  listener: (event: AnswerEvent) => void;
  end: (() => void) | null; // of the other source
}

interface WireMessage {
  type: string;
  message?: string;
  offset?: number;
  text?: string;
  next?: number;
  state?: AnswerState;
  extra?: RunExtra | null;
  what?: string;
  id?: string;
  chat?: string;
}

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 8000;
const PING_MS = 15_000;
const PONG_MS = 8_000;
const TRIES = 3; // to open a line while the server answers otherwise

export class SocketSource implements LiveSource {
  #options: SocketOptions;
  #line: Line | null = null;
  #isOpen = false;
  #usesInstead = false;
  #follows = new Map<string, Follow>();
  #listeners = new Map<(event: ChangeEvent) => void, (() => void) | null>();
  #failures = 0;
  #delay = FIRST_DELAY_MS;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #ping: ReturnType<typeof setTimeout> | null = null;

  constructor(options: SocketOptions) {
    this.#options = options;
    globalThis.addEventListener?.('online', () => (this.#isOpen ? this.#check() : this.#connect()));
  }

  follow(message: string, from: number, listener: (event: AnswerEvent) => void): () => void {
    const follow: Follow = { place: from, listener, end: null };
    this.#follows.set(message, follow);
    if (this.#usesInstead) this.#followInstead(message, follow);
    else if (this.#isOpen) this.#say({ type: 'follow', message, from });
    else this.#connect();
    return () => {
      if (this.#follows.get(message) !== follow) return;
      this.#follows.delete(message);
      follow.end?.();
      if (this.#isOpen) this.#say({ type: 'unfollow', message });
      this.#closeIfIdle();
    };
  }

  listen(listener: (event: ChangeEvent) => void): () => void {
    this.#listeners.set(listener, this.#usesInstead ? this.#options.instead.listen(listener) : null);
    if (this.#isOpen) listener({ type: 'listening' });
    else this.#connect();
    return () => {
      this.#listeners.get(listener)?.();
      this.#listeners.delete(listener);
      this.#closeIfIdle();
    };
  }

  #connect(): void {
    if (this.#line || this.#usesInstead || this.#isIdle()) return;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    const line = this.#options.open();
    this.#line = line;
    line.onopen = () => {
      this.#isOpen = true;
      this.#failures = 0;
      this.#delay = FIRST_DELAY_MS;
      this.#follows.forEach((follow, message) => {
        follow.listener({ type: 'connection', connected: true });
        this.#say({ type: 'follow', message, from: follow.place });
      });
      this.#pingLater();
    };
    line.onmessage = ({ data }) => {
      this.#pingLater();
      this.#hear(JSON.parse(data) as WireMessage);
    };
    line.onclose = () => this.#lost(line);
  }

  #hear(told: WireMessage): void {
    if (told.type === 'listening') return this.#tell({ type: 'listening' });
    if (told.type === 'changed') {
      return this.#tell({ type: 'changed', what: told.what ?? '', id: told.id ?? '', chat: told.chat ?? '' });
    }
    const follow = this.#follows.get(told.message ?? '');
    if (!follow) return;
    if (told.type === 'text') {
      follow.place = told.next ?? follow.place;
      follow.listener({ type: 'text', offset: told.offset ?? 0, text: told.text ?? '', next: follow.place });
    } else if (told.type === 'ended' || told.type === 'error') {
      this.#follows.delete(told.message ?? '');
      const { offset = 0, state = 'complete', extra = null } = told;
      follow.listener(told.type === 'ended' ? { type: 'ended', offset, state, extra } : { type: 'gone' });
    }
  }

  #lost(line: Line): void {
    if (this.#line !== line) return;
    const wasOpen = this.#isOpen;
    this.#line = null;
    this.#isOpen = false;
    if (this.#ping !== null) clearTimeout(this.#ping);
    if (this.#isIdle()) return;
    this.#follows.forEach((follow) => follow.listener({ type: 'connection', connected: false }));
    void this.#options.isLetIn().then(
      (isLetIn) => {
        if (!isLetIn) return this.#refuse();
        this.#failures += wasOpen ? 0 : 1;
        if (this.#failures >= TRIES) this.#useInstead();
        else this.#connectLater();
      },
      () => this.#connectLater(),
    );
  }

  #connectLater(): void {
    this.#retry = setTimeout(() => this.#connect(), this.#delay);
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS);
  }

  #refuse(): void {
    const follows = [...this.#follows.values()];
    const listeners = [...this.#listeners.keys()];
    this.#follows.clear();
    this.#listeners.clear();
    follows.forEach((follow) => follow.listener({ type: 'gone' }));
    listeners.forEach((listener) => listener({ type: 'refused' }));
  }

  #useInstead(): void {
    this.#usesInstead = true;
    this.#follows.forEach((follow, message) => this.#followInstead(message, follow));
    this.#listeners.forEach((_, listener) => this.#listeners.set(listener, this.#options.instead.listen(listener)));
  }

  #followInstead(message: string, follow: Follow): void {
    follow.end = this.#options.instead.follow(message, follow.place, (event) => {
      if (event.type === 'ended' || event.type === 'gone') this.#follows.delete(message);
      follow.listener(event);
    });
  }

  // A line can be dead without a word: after sleep, behind a router that forgot it.
  #pingLater(): void {
    if (this.#ping !== null) clearTimeout(this.#ping);
    this.#ping = setTimeout(() => this.#check(), PING_MS);
  }

  #check(): void {
    const line = this.#line;
    if (!line || !this.#isOpen) return;
    if (this.#ping !== null) clearTimeout(this.#ping);
    this.#say({ type: 'ping' });
    this.#ping = setTimeout(() => {
      line.close();
      this.#lost(line);
    }, PONG_MS);
  }

  #say(wish: { type: string; message?: string; from?: number }): void {
    this.#line?.send(JSON.stringify(wish));
  }

  #tell(event: ChangeEvent): void {
    [...this.#listeners.keys()].forEach((listener) => listener(event));
  }

  #isIdle(): boolean {
    return this.#follows.size === 0 && this.#listeners.size === 0;
  }

  #closeIfIdle(): void {
    const line = this.#line;
    if (!line || !this.#isIdle()) return;
    this.#line = null;
    this.#isOpen = false;
    if (this.#ping !== null) clearTimeout(this.#ping);
    line.close();
  }
}
