import { describe, expect, it } from 'vitest';
import type { AnswerEvent, LiveSource } from './events';
import { Hub } from './hub';
import { portSource, servePort } from './port';
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
