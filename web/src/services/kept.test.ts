import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { setOnReach, request } from './http';
import { dropAnswer, findAnswer, forgetAll, keepAnswer } from './kept';

class FakeCache {
  entries = new Map<string, Response>();
  match = async (path: string) => this.entries.get(path)?.clone();
  put = async (path: string, response: Response) => {
    this.entries.delete(path);
    this.entries.set(path, response);
  };
  delete = async (path: string) => this.entries.delete(path);
  keys = async () => [...this.entries.keys()];
}
let stores: Map<string, FakeCache>;

beforeEach(() => {
  stores = new Map();
  vi.stubGlobal('caches', {
    open: async (name: string) => stores.get(name) ?? (stores.set(name, new FakeCache()), stores.get(name)),
    delete: async (name: string) => stores.delete(name),
  });
});
afterEach(() => vi.unstubAllGlobals());

describe('what is kept', () => {
  it('is found again, until it is forgotten', async () => {
    keepAnswer('/api/chats', { data: [1] });
    expect(await findAnswer('/api/chats')).toEqual({ data: [1] });
    expect(await findAnswer('/api/folders')).toBeNull();
    await forgetAll();
    expect(await findAnswer('/api/chats')).toBeNull();
  });

  it('has nothing of temporary chats, in whatever order they come', async () => {
    keepAnswer('/api/chats/chat_a/messages', { data: ['secret'] });
    keepAnswer('/api/chats/chat_a', { temporary: true });
    keepAnswer('/api/chats/chat_a/messages', { data: ['secret', 'more'] });
    keepAnswer('/api/chats/chat_b', { temporary: false });
    expect(await findAnswer('/api/chats/chat_a/messages')).toBeNull();
    expect(await findAnswer('/api/chats/chat_a')).toBeNull();
    expect(await findAnswer('/api/chats/chat_b')).toEqual({ temporary: false });
  });

  it('loses a chat that was deleted with its messages, and the oldest of too many', async () => {
    keepAnswer('/api/chats/chat_c', {});
    keepAnswer('/api/chats/chat_c/messages', { data: [] });
    dropAnswer('/api/chats/chat_c');
    expect(await findAnswer('/api/chats/chat_c/messages')).toBeNull();
    for (let i = 0; i < 410; ++i) keepAnswer(`/api/chats?cursor=${i}`, i);
    expect(await findAnswer('/api/chats?cursor=9')).toBeNull();
    expect(await findAnswer('/api/chats?cursor=10')).toBe(10);
  });
});

describe('requests', () => {
  it('are answered by what is kept while the server is away, if they say so', async () => {
    const reached: boolean[] = [];
    setOnReach((isReached) => reached.push(isReached));
    vi.stubGlobal('fetch', async () => new Response('{"n":1}'));
    expect(await request('GET', '/api/folders', { keep: true })).toEqual({ n: 1 });
    expect(await request('GET', '/api/memories')).toEqual({ n: 1 });
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')));
    expect(await request('GET', '/api/folders', { keep: true })).toEqual({ n: 1 });
    await expect(request('GET', '/api/memories')).rejects.toMatchObject({ status: 0 });
    await expect(request('GET', '/api/chats', { keep: true })).rejects.toMatchObject({ status: 0 });
    expect(reached).toEqual([true, true, false, false, false]);
  });

  it('that find nothing any more let it go', async () => {
    keepAnswer('/api/chats/chat_d', {});
    vi.stubGlobal('fetch', async () => new Response('{"error":{"message":"gone"}}', { status: 404 }));
    await expect(request('GET', '/api/chats/chat_d', { keep: true })).rejects.toMatchObject({ status: 404 });
    expect(await findAnswer('/api/chats/chat_d')).toBeNull();
  });
});
