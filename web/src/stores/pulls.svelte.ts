// Models that are being fetched from the hub, for all that show them.
import * as admin from '../services/admin';

const EVERY_MS = 1000;

export const isOpen = (one: admin.Pull) => one.state === 'waiting' || one.state === 'running';

class Pulls {
  list = $state.raw<admin.Pull[]>([]);
  isOffered = $state(false); // this server can
  #watchers = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  // Looks after them until the returned function is called; `onpulled` when one more is here.
  watch(onpulled: () => void): () => void {
    this.#watchers.add(onpulled);
    // A server without is told by its 503: then nothing is offered.
    void this.load().catch(() => {});
    return () => void this.#watchers.delete(onpulled);
  }

  // The last pull of this source.
  find(source: string): admin.Pull | undefined {
    return this.list.find((one) => one.source === source);
  }

  async load(): Promise<void> {
    const before = this.isOffered ? this.list : null;
    this.list = (await admin.listPulls()).data;
    this.isOffered = true;
    const wasDone = (one: admin.Pull) => before?.some((other) => other.id === one.id && other.state === 'done') ?? true;
    if (this.list.some((one) => one.state === 'done' && !wasDone(one))) this.#watchers.forEach((onpulled) => onpulled());
    this.#plan();
  }

  async start(source: string): Promise<void> {
    await admin.startPull(source);
    await this.load();
  }

  async stop(one: admin.Pull): Promise<void> {
    await admin.stopPull(one.id);
    await this.load();
  }

  #plan(): void {
    if (this.#timer !== null || this.#watchers.size === 0 || !this.list.some(isOpen)) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.load().catch(() => this.#plan());
    }, EVERY_MS);
  }
}

export const pulls = new Pulls();
