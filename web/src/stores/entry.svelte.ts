// One message as the page shows it. The text of an answer that is being written grows here.
import type { ChatMessage, RunExtra } from '../services/api';
import { live } from '../services/live';
import { ByteText } from '../lib/byte_text';

export class Entry {
  readonly id: string;
  readonly parent: string | null;
  readonly role: ChatMessage['role'];
  readonly model: string | null;
  readonly createdAt: number;
  content = $state('');
  state = $state<ChatMessage['state']>('complete');
  extra = $state.raw<RunExtra | null>(null);
  isConnected = $state(true);
  #endFollow: (() => void) | null = null;

  constructor(message: ChatMessage) {
    this.id = message.id;
    this.parent = message.parent;
    this.role = message.role;
    this.model = message.model;
    this.createdAt = message.created_at;
    this.content = message.content;
    this.state = message.state;
    this.extra = message.extra;
  }

  get isRunning(): boolean {
    return this.state === 'running';
  }

  // It is being written again, from its end on.
  restart(message: ChatMessage): void {
    this.state = message.state;
    this.extra = null;
  }

  // It was written to its end elsewhere.
  replace(message: ChatMessage): void {
    if (this.content === message.content && this.state === message.state) return;
    this.content = message.content;
    this.state = message.state;
    this.extra = message.extra;
  }

  // Goes on from what is there.
  follow(onEnded: (entry: Entry) => void): void {
    if (this.#endFollow || !this.isRunning) return;
    const bytes = new ByteText(this.content);
    this.#endFollow = live().follow(this.id, bytes.length, (event) => {
      if (event.type === 'connection') this.isConnected = event.connected;
      if (event.type === 'text' && event.text) {
        bytes.replaceFrom(event.offset, event.text);
        this.content = bytes.text;
      }
      if (event.type === 'ended' || event.type === 'gone') {
        this.state = event.type === 'ended' ? event.state : 'stopped';
        if (event.type === 'ended') this.extra = event.extra;
        this.unfollow();
        onEnded(this);
      }
    });
  }

  unfollow(): void {
    this.#endFollow?.();
    this.#endFollow = null;
  }
}

// A question that is on its way to the server.
export function onItsWay(content: string): Entry {
  return new Entry({ id: '', parent: null, role: 'user', model: null, created_at: Date.now(), content, state: 'complete', extra: null } as ChatMessage);
}

// The messages as the server tells them. Entries that are there stay; of the `ended` ones some may
// be written again, or have been.
export function merged(before: ReadonlyMap<string, Entry>, data: ChatMessage[], ended: ReadonlySet<Entry>): Map<string, Entry> {
  const entries = new Map(data.map((message) => [message.id, before.get(message.id) ?? new Entry(message)]));
  for (const message of data) {
    const entry = before.get(message.id);
    if (!entry || !ended.has(entry)) continue;
    if (message.state === 'running') entry.restart(message);
    else entry.replace(message);
  }
  before.forEach((entry) => !entries.has(entry.id) && entry.unfollow());
  return entries;
}
