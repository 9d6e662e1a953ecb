// What was opened, kept in this browser to be read without a network. Nothing of temporary chats,
// and nothing of a person who has logged out. Needs HTTPS or localhost, as service workers do.
const NAME = 'maru-kept';
const MOST = 400; // answers; the oldest go first
const CHAT = /^\/api\/chats\/([\w-]+)(?:\/messages)?$/;

const temporary = new Set<string>();
// One change after the other, so that a forgotten answer does not come back by a slower write.
let line: Promise<unknown> = Promise.resolve();

function next<T>(act: (cache: Cache) => Promise<T>): Promise<T | null> {
  if (typeof caches === 'undefined') return Promise.resolve(null);
  const done = line.then(async () => act(await caches.open(NAME))).catch(() => null); // storage may be full or closed
  line = done;
  return done;
}

export function keepAnswer(path: string, answer: unknown): void {
  const chat = CHAT.exec(path)?.[1];
  if (chat && (answer as { temporary?: boolean }).temporary) {
    temporary.add(chat);
    void next((cache) => cache.delete(`/api/chats/${chat}/messages`));
  }
  void next(async (cache) => {
    if (chat && temporary.has(chat)) return;
    await cache.put(path, new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } }));
    const keys = await cache.keys();
    await Promise.all(keys.slice(0, Math.max(0, keys.length - MOST)).map((key) => cache.delete(key)));
  });
}

export async function findAnswer<T>(path: string): Promise<T | null> {
  return next(async (cache) => ((await (await cache.match(path))?.json()) as T | undefined) ?? null);
}

// What the server has no more, a chat with its messages.
export function dropAnswer(path: string): void {
  const chat = CHAT.exec(path)?.[1];
  void next((cache) => cache.delete(path));
  if (chat) void next((cache) => cache.delete(`/api/chats/${chat}/messages`));
}

export function forgetAll(): Promise<unknown> {
  if (typeof caches === 'undefined') return Promise.resolve();
  line = line.then(() => caches.delete(NAME)).catch(() => null);
  return line;
}
