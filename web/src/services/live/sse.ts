// Server-sent events read by fetch: EventSource would come back with the address it began with,
// and ours must say how far it has read.

export interface SseOptions {
  url: () => string; // asked anew for every attempt
  onData: (json: unknown) => boolean; // false: no more is wanted
  onConnection?: (connected: boolean) => void;
  onRefused: (status: number) => void; // a 4xx: trying again is of no use
}

// Cuts bytes that come in any pieces into the data of events.
export class SseParser {
  #decoder = new TextDecoder();
  #rest = '';

  *push(bytes: Uint8Array): Generator<string> {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    let end = this.#rest.indexOf('\n\n');
    while (end >= 0) {
      const event = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + 2);
      const data = event
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''))
        .join('\n');
      if (data) yield data;
      end = this.#rest.indexOf('\n\n');
    }
  }
}

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 8000;

// Follows the stream until it is ended from here, or onData has enough. The result ends it.
export function followSse(options: SseOptions): () => void {
  const ending = new AbortController();
  let wake: () => void = () => {};
  const online = () => wake();
  globalThis.addEventListener?.('online', online);

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  // True: it is over.
  const readOnce = async (onAlive: () => void): Promise<boolean> => {
    const response = await fetch(options.url(), {
      headers: { Accept: 'text/event-stream' },
      credentials: 'same-origin',
      cache: 'no-store',
      signal: ending.signal,
    });
    if (response.status >= 400 && response.status < 500 && response.status !== 429) {
      options.onRefused(response.status);
      return true;
    }
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    onAlive();
    options.onConnection?.(true);
    const reader = response.body.getReader();
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      for (const data of parser.push(value)) {
        if (!options.onData(JSON.parse(data))) {
          void reader.cancel();
          return true;
        }
      }
    }
  };

  void (async () => {
    let delay = FIRST_DELAY_MS;
    while (!ending.signal.aborted) {
      try {
        if (await readOnce(() => (delay = FIRST_DELAY_MS))) break;
      } catch {
        if (ending.signal.aborted) break;
      }
      options.onConnection?.(false);
      await pause(delay);
      delay = Math.min(delay * 2, LONGEST_DELAY_MS);
    }
    globalThis.removeEventListener?.('online', online);
  })();

  return () => {
    ending.abort();
    wake();
  };
}
