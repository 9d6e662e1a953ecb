// Where in the app the person is: the address, and nothing else.
export type Route =
  | { name: 'chat'; chat: string | null; assistant?: string }
  | { name: 'login' }
  | { name: 'shared'; token: string }
  | { name: 'library' }
  | { name: 'ratings' }
  | { name: 'settings'; part: string | null }
  | { name: 'admin'; part: string | null }
  | { name: 'welcome' }
  | { name: 'first-admin' };

export function routeOf(path: string): Route {
  const chat = /^\/chat\/([\w-]+)\/?$/.exec(path)?.[1];
  if (chat) return { name: 'chat', chat };
  if (path === '/login') return { name: 'login' };
  const assistant = /^\/with\/([\w-]+)\/?$/.exec(path)?.[1];
  if (assistant) return { name: 'chat', chat: null, assistant };
  const token = /^\/shared\/([\w-]+)\/?$/.exec(path)?.[1];
  if (token) return { name: 'shared', token };
  if (path === '/library') return { name: 'library' };
  if (path === '/ratings') return { name: 'ratings' };
  const [, place, part] = /^\/(settings|admin)(?:\/([\w-]+))?\/?$/.exec(path) ?? [];
  if (place === 'settings' || place === 'admin') return { name: place, part: part ?? null };
  if (path === '/welcome' || path === '/first-admin') return { name: path.slice(1) as 'welcome' | 'first-admin' };
  return { name: 'chat', chat: null };
}

class Router {
  path = $state(location.pathname);
  // Grows with every visit of "/": a new chat is wanted, also where one is open already.
  visit = $state(0);
  route = $derived(routeOf(this.path));

  constructor() {
    addEventListener('popstate', () => this.#arrive());
  }

  go(path: string): void {
    if (path !== this.path) history.pushState(null, '', path);
    this.#arrive();
  }

  // The address of what is shown already: a chat that has just got its id.
  rename(path: string): void {
    history.replaceState(null, '', path);
    this.path = path;
  }

  // For links: plain clicks stay in the page, others (a new tab) are the browser's.
  follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const path = (event.currentTarget as HTMLAnchorElement).getAttribute('href');
    if (!path?.startsWith('/')) return;
    event.preventDefault();
    this.go(path);
  };

  #arrive(): void {
    this.path = location.pathname;
    this.visit += 1;
  }
}

export const router = new Router();
