// The hub across a MessagePort: what a page and the SharedWorker say to each other.
import type { AnswerEvent, ChangeEvent, LiveSource } from './events';

export type ToHub =
  | { type: 'follow'; call: number; message: string; from: number }
  | { type: 'listen'; call: number }
  | { type: 'end'; call: number }
  | { type: 'bye' };
export type FromHub = { call: number; event: AnswerEvent | ChangeEvent };

// The worker's side of one page.
export function servePort(port: MessagePort, hub: LiveSource): void {
  const calls = new Map<number, () => void>();
  const endAll = () => {
    calls.forEach((end) => end());
    calls.clear();
  };
  port.onmessage = ({ data }: MessageEvent<ToHub>) => {
    if (data.type === 'bye') return endAll();
    if (data.type === 'end') {
      calls.get(data.call)?.();
      calls.delete(data.call);
      return;
    }
    const send = (event: AnswerEvent | ChangeEvent) =>
      port.postMessage({ call: data.call, event } satisfies FromHub);
    calls.set(data.call, () => {}); // the first events may come before follow() returns
    calls.set(data.call, data.type === 'follow' ? hub.follow(data.message, data.from, send) : hub.listen(send));
  };
}

// The page's side.
export function portSource(port: MessagePort): LiveSource & { bye: () => void } {
  const listeners = new Map<number, (event: never) => void>();
  let last = 0;
  port.onmessage = ({ data }: MessageEvent<FromHub>) => listeners.get(data.call)?.(data.event as never);
  const say = (message: ToHub) => port.postMessage(message);
  const open = (make: (call: number) => ToHub, listener: (event: never) => void) => {
    const call = ++last;
    listeners.set(call, listener);
    say(make(call));
    return () => {
      if (listeners.delete(call)) say({ type: 'end', call });
    };
  };
  return {
    follow: (message, from, listener) =>
      open((call) => ({ type: 'follow', call, message, from }), listener as (event: never) => void),
    listen: (listener) => open((call) => ({ type: 'listen', call }), listener as (event: never) => void),
    bye: () => say({ type: 'bye' }),
  };
}
