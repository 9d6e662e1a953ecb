// The messages of a chat and the branch of them that is shown, kept as the server has them.
import * as api from '../services/api';
import { branchOf, childrenOf, newestLeaf } from '../lib/tree';
import { Entry, merged } from './entry.svelte';

export class Messages {
  leaf = $state<string | null>(null);
  #entries = $state.raw(new Map<string, Entry>());
  branch = $derived(branchOf(this.#entries, this.leaf));
  children = $derived(childrenOf(this.#entries.values()));
  #changes = 0; // made here: a list that was asked for before the last of them is out of date
  #isBehind = false; // the server may have others
  #isClosed = false;
  #reading: Promise<void> | null = null;
  readonly #readable: () => string | null;
  readonly #onEnded: (entry: Entry) => void;

  // `readable`: the chat that may be read now; null while it must wait.
  constructor(readable: () => string | null, onEnded: (entry: Entry) => void) {
    this.#readable = readable;
    this.#onEnded = onEnded;
  }

  find(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  set(list: api.ChatMessage[], leaf: string | null): void {
    this.#entries = new Map(list.map((message) => [message.id, new Entry(message)]));
    this.leaf = leaf ?? list.at(-1)?.id ?? null;
    this.#followAll();
  }

  // What was added here: the branch ends with it.
  add(message: api.ChatMessage): Entry {
    const entry = this.find(message.id) ?? new Entry(message);
    this.#changes += 1;
    this.#entries = new Map(this.#entries).set(message.id, entry);
    this.leaf = message.id;
    return entry;
  }

  addAnswer(message: api.ChatMessage): void {
    this.add(message).follow(this.#onEnded);
  }

  // An answer that is written on, from its end.
  goOn(entry: Entry, message: api.ChatMessage): void {
    this.#changes += 1;
    entry.restart(message);
    entry.follow(this.#onEnded);
  }

  close(): void {
    this.#isClosed = true;
    this.#entries.forEach((entry) => entry.unfollow());
  }

  // Another tab, or a request whose answer was lost, may have changed something. One reading at a
  // time, so that none comes behind a later one; what can't be read now is read with `catchUp`.
  reconcile(): Promise<void> {
    this.#isBehind = true;
    if (this.#readable() === null) return Promise.resolve();
    return (this.#reading ??= this.#read());
  }

  catchUp(): void {
    if (this.#isBehind) void this.reconcile();
  }

  async #read(): Promise<void> {
    try {
      for (let chat = this.#readable(); chat !== null && this.#isBehind; chat = this.#readable()) {
        this.#isBehind = false;
        const changes = this.#changes;
        const ended = new Set([...this.#entries.values()].filter((entry) => !entry.isRunning));
        const list = await api.listMessages(chat, { isFresh: true }).catch(() => null);
        if (this.#isClosed) return;
        const isLate = changes !== this.#changes || this.#readable() !== chat;
        if (list === null || isLate) this.#isBehind = true;
        if (list === null) return;
        if (!isLate) this.#take(list.data, ended);
      }
    } finally {
      this.#reading = null;
    }
  }

  #take(list: api.ChatMessage[], ended: ReadonlySet<Entry>): void {
    const isAtEnd = this.leaf === null || (this.children.get(this.leaf) ?? []).length === 0;
    this.#entries = merged(this.#entries, list, ended);
    if (this.leaf !== null && !this.find(this.leaf)) this.leaf = list.at(-1)?.id ?? null;
    if (isAtEnd && this.leaf !== null) this.leaf = newestLeaf(this.children, this.leaf);
    this.#followAll();
  }

  #followAll(): void {
    this.#entries.forEach((entry) => entry.follow(this.#onEnded));
  }
}
