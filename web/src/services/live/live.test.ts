import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AnswerEvent, LiveSource } from './events';
import { Hub } from './hub';
import { portSource, servePort } from './port';
import { SocketSource, type Line } from './socket_source';
import { SseParser } from './sse';

// A source that a test speaks for.
class Script implements LiveSource {
  follows: { message: string; from: number; say: (event: AnswerEvent) => void; ended: boolean }[] = [];
  listens = 0;
  endedListens = 0;
  follow(message: string, from: number, say: (event: AnswerEvent) => void): () => void {
    const one = { message, from, say, ended: false };
    this.follows.push(one);
    return () => (one.ended = true);
  }
  listen(): () => void {
    this.listens += 1;
    return () => (this.endedListens += 1);
  }
}

const textOf = (events: AnswerEvent[]) =>
  events.reduce((text, event) => (event.type === 'text' ? text.slice(0, event.offset) + event.text : text), '');

describe('the parser of server-sent events', () => {
  it('takes bytes in any pieces', () => {
    const bytes = new TextEncoder().encode(': heartbeat\n\ndata: {"a":"마루"}\n\ndata: one\ndata: two\n\n');
    for (let size = 1; size <= bytes.length; ++size) {
      const parser = new SseParser();
      const got: string[] = [];
      for (let at = 0; at < bytes.length; at += size) got.push(...parser.push(bytes.subarray(at, at + size)));
      expect(got).toEqual(['{"a":"마루"}', 'one\ntwo']);
    }
  });
});

describe('the hub', () => {
  it('reads an answer once for all who show it, and gives late ones what they lack', () => {
    const source = new Script();
    const hub = new Hub(source);
    const [first, second]: [AnswerEvent[], AnswerEvent[]] = [[], []];
    hub.follow('m', 0, (event) => first.push(event));
    source.follows[0]!.say({ type: 'text', offset: 0, text: 'hello ', next: 6 });
    hub.follow('m', 0, (event) => second.push(event));
    source.follows[0]!.say({ type: 'text', offset: 6, text: 'you', next: 9 });
    expect(source.follows).toHaveLength(1);
    expect(textOf(first)).toBe('hello you');
    expect(textOf(second)).toBe('hello you');
  });

  it('ends its reading with the last reader, and forgets what has ended', () => {
    const source = new Script();
    const hub = new Hub(source);
    const leave = [hub.follow('m', 0, () => {}), hub.follow('m', 0, () => {})];
    leave[0]!();
    expect(source.follows[0]!.ended).toBe(false);
    leave[1]!();
    expect(source.follows[0]!.ended).toBe(true);
    hub.follow('m', 0, () => {});
    source.follows[1]!.say({ type: 'ended', offset: 0, state: 'complete', extra: null });
    hub.follow('m', 0, () => {});
    expect(source.follows).toHaveLength(3);
  });

  it('reads anew for one who has less than it began with', () => {
    const source = new Script();
    const hub = new Hub(source);
    const first: AnswerEvent[] = [{ type: 'text', offset: 0, text: 'hello ', next: 6 }];
    const second: AnswerEvent[] = [];
    hub.follow('m', 6, (event) => first.push(event));
    source.follows[0]!.say({ type: 'text', offset: 6, text: 'you', next: 9 });
    hub.follow('m', 0, (event) => second.push(event));
    expect(source.follows[0]!.ended).toBe(true);
    expect(source.follows[1]!.from).toBe(0);
    source.follows[1]!.say({ type: 'text', offset: 0, text: 'hello you', next: 9 });
    expect(textOf(first)).toBe('hello you');
    expect(textOf(second)).toBe('hello you');
  });

  it('listens once for all', () => {
    const source = new Script();
    const hub = new Hub(source);
    const leave = [hub.listen(() => {}), hub.listen(() => {})];
    expect(source.listens).toBe(1);
    leave.forEach((each) => each());
    expect(source.endedListens).toBe(1);
  });

  it('works the same across a port', async () => {
    const source = new Script();
    const channel = new MessageChannel();
    servePort(channel.port1, new Hub(source));
    const remote = portSource(channel.port2);
    const got: AnswerEvent[] = [];
    const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
    const leave = remote.follow('m', 3, (event) => got.push(event));
    await settled();
    expect(source.follows[0]?.from).toBe(3);
    source.follows[0]!.say({ type: 'text', offset: 3, text: 'x', next: 4 });
    await settled();
    expect(got).toEqual([{ type: 'text', offset: 3, text: 'x', next: 4 }]);
    leave();
    await settled();
    expect(source.follows[0]!.ended).toBe(true);
    remote.follow('n', 0, () => {});
    await settled();
    remote.bye();
    await settled();
    expect(source.follows[1]!.ended).toBe(true);
    channel.port1.close();
    channel.port2.close();
  });
});

describe('the WebSocket', () => {
  class FakeLine implements Line {
    onopen: Line['onopen'] = null;
    onclose: Line['onclose'] = null;
    onmessage: Line['onmessage'] = null;
    sent: { type: string; message?: string; from?: number }[] = [];
    isClosed = false;
    send(text: string): void {
      this.sent.push(JSON.parse(text) as FakeLine['sent'][0]);
    }
    close(): void {
      this.isClosed = true;
    }
    say(message: object): void {
      this.onmessage?.({ data: JSON.stringify(message) });
    }
  }
  let lines: FakeLine[];
  let isLetIn: () => Promise<boolean>;
  let instead: Script;
  let source: SocketSource;
  beforeEach(() => {
    vi.useFakeTimers();
    lines = [];
    isLetIn = async () => true;
    instead = new Script();
    const open = () => {
      const line = new FakeLine();
      lines.push(line);
      return line;
    };
    source = new SocketSource({ open, isLetIn: () => isLetIn(), instead });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('carries all answers and changes over one line', () => {
    const heard: string[] = [];
    source.listen((event) => heard.push(event.type));
    source.follow('a', 0, (event) => heard.push(`a ${event.type}`));
    source.follow('b', 7, (event) => heard.push(`b ${event.type}`));
    expect(lines).toHaveLength(1);
    lines[0]!.onopen?.();
    expect(lines[0]!.sent).toEqual([
      { type: 'follow', message: 'a', from: 0 },
      { type: 'follow', message: 'b', from: 7 },
    ]);
    heard.length = 0;
    lines[0]!.say({ type: 'listening' });
    lines[0]!.say({ type: 'text', message: 'b', offset: 7, text: 'x', next: 8 });
    lines[0]!.say({ type: 'ended', message: 'a', offset: 0, state: 'complete', extra: null });
    lines[0]!.say({ type: 'changed', what: 'chat', id: 'c', chat: '' });
    lines[0]!.say({ type: 'of the future' });
    expect(heard).toEqual(['listening', 'b text', 'a ended', 'changed']);
  });

  it('comes back with the place that it had read to', async () => {
    const heard: AnswerEvent[] = [];
    source.follow('a', 0, (event) => heard.push(event));
    lines[0]!.onopen?.();
    lines[0]!.say({ type: 'text', message: 'a', offset: 0, text: 'abc', next: 3 });
    lines[0]!.onclose?.();
    expect(heard.at(-1)).toEqual({ type: 'connection', connected: false });
    await vi.advanceTimersByTimeAsync(300);
    lines[1]!.onopen?.();
    expect(lines[1]!.sent).toEqual([{ type: 'follow', message: 'a', from: 3 }]);
    expect(heard.at(-1)).toEqual({ type: 'connection', connected: true });
  });

  it('waits longer each time while the server is away', async () => {
    isLetIn = () => Promise.reject(new Error('away'));
    source.listen(() => {});
    for (let n = 0; n < 5; ++n) {
      lines.at(-1)!.onclose?.();
      await vi.advanceTimersByTimeAsync(250 * 2 ** n - 10);
      expect(lines).toHaveLength(n + 1);
      await vi.advanceTimersByTimeAsync(20);
      expect(lines).toHaveLength(n + 2);
    }
    expect(instead.listens).toBe(0);
  });

  it('tries no more when nobody is logged in', async () => {
    isLetIn = async () => false;
    const heard: string[] = [];
    source.listen((event) => heard.push(event.type));
    source.follow('a', 0, (event) => heard.push(event.type));
    lines[0]!.onclose?.();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toHaveLength(1);
    expect(heard).toEqual(['connection', 'gone', 'refused']);
  });

  it('takes the other way where no WebSocket comes through', async () => {
    source.listen(() => {});
    source.follow('a', 5, () => {});
    for (let n = 0; n < 3; ++n) {
      lines.at(-1)!.onclose?.();
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect(lines).toHaveLength(3);
    expect(instead.listens).toBe(1);
    expect(instead.follows[0]).toMatchObject({ message: 'a', from: 5 });
    source.follow('b', 0, () => {});
    expect(instead.follows).toHaveLength(2);
  });

  it('finds that a line is dead', async () => {
    source.follow('a', 0, () => {});
    lines[0]!.onopen?.();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(lines[0]!.sent.at(-1)).toEqual({ type: 'ping' });
    await vi.advanceTimersByTimeAsync(9_000);
    expect(lines[0]!.isClosed).toBe(true);
    expect(lines).toHaveLength(2);
    lines[0]!.onclose?.(); // late news of the old line change nothing
    expect(lines).toHaveLength(2);
  });

  it('is closed when nobody listens', () => {
    const leave = source.follow('a', 0, () => {});
    lines[0]!.onopen?.();
    leave();
    expect(lines[0]!.isClosed).toBe(true);
    source.listen(() => {});
    expect(lines).toHaveLength(2);
  });
});
