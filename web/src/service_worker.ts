// Lets the page open without a network: it keeps the files of one build. Answers of the API are the
// page's own business (services/kept.ts). A new build waits until no page of the old one is open,
// so a page always finds the files that it was built with.
interface Waiting extends Event {
  waitUntil(done: Promise<unknown>): void;
}
interface Asked extends Event {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

const FILES = JSON.parse('__FILES__') as string[]; // put in by the build (vite.config.ts)
const PREFIX = 'maru-page-';
const NAME = `${PREFIX}__BUILD__`;
const PAGE = '/';

addEventListener('install', (event) => {
  (event as Waiting).waitUntil(caches.open(NAME).then((cache) => cache.addAll([PAGE, ...FILES])));
});

addEventListener('activate', (event) => {
  const clean = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
    await Promise.all(old.map((name) => caches.delete(name)));
  };
  (event as Waiting).waitUntil(clean());
});

const kept = async (path: string) => (await caches.open(NAME)).match(path);

// The server first, so that who has a network sees the newest page.
async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const answer = await kept(PAGE);
    if (!answer) throw error;
    return answer;
  }
}

async function file(request: Request, path: string): Promise<Response> {
  return (await kept(path)) ?? fetch(request);
}

addEventListener('fetch', (event) => {
  const { request } = event as Asked;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin) return;
  if (request.mode === 'navigate') (event as Asked).respondWith(page(request));
  else if (FILES.includes(pathname)) (event as Asked).respondWith(file(request, pathname));
});
