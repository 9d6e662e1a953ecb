// Who is here. On loopback without accounts everybody is, and needs no login.
import * as api from '../services/api';
import { ApiFailure, setCsrfToken, setOnReach, setOnUnauthenticated } from '../services/http';
import { forgetAll } from '../services/kept';
import { readItem } from '../services/storage';
import { setLanguage } from '../i18n/index.svelte';

type State = 'loading' | 'in' | 'out' | 'unreachable';

// The login was right, and the browser has not kept it.
export class CookieFailure extends Error {}

class Session {
  state = $state<State>('loading');
  user = $state<api.User | null>(null);
  isOffline = $state(false); // what was opened can be read
  groups = $state.raw<api.Me['groups']>([]); // that the person is in
  currency = $state<string | null>(null); // of what answers cost; null: nothing is counted

  constructor() {
    setOnUnauthenticated(() => {
      if (this.state === 'in') this.state = 'out';
      void forgetAll();
    });
    setOnReach((isReached) => (this.isOffline = !isReached));
  }

  get isAdmin(): boolean {
    return this.user?.role === 'admin';
  }

  // May look at what concerns the organisation.
  get isAuditor(): boolean {
    return this.isAdmin || this.user?.role === 'auditor';
  }

  async start(): Promise<void> {
    try {
      const { login } = await api.health();
      if (login === 'needed') await this.#recognise();
      else this.state = 'in';
      if (login !== 'needed') void api.me().then((me) => this.#know(me)).catch(() => {});
    } catch {
      this.state = 'unreachable';
    }
  }

  async #recognise(): Promise<void> {
    try {
      const me = await api.me();
      this.#enter(me.user, me.csrf_token);
      this.#know(me);
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.status !== 401) throw error;
      this.state = 'out';
      void forgetAll();
    }
  }

  async logIn(name: string, password: string): Promise<void> {
    const { user, csrf_token } = await api.login(name, password);
    await forgetAll(); // somebody else's, perhaps
    const me = await api.me().catch((error: unknown) => {
      if (error instanceof ApiFailure && error.status === 401) throw new CookieFailure();
      return null;
    });
    this.#enter(user, csrf_token);
    if (me) this.#know(me);
  }

  async logOut(): Promise<void> {
    await api.logout();
    await forgetAll();
    location.assign('/'); // nothing of the person stays in memory
  }

  #know(me: api.Me): void {
    this.groups = me.groups;
    this.currency = me.currency;
  }

  #enter(user: api.User | null, csrfToken = ''): void {
    setCsrfToken(csrfToken);
    this.user = user;
    // What was chosen in this browser stands over what the account says.
    if (!readItem('language') && (user?.language === 'ko' || user?.language === 'en')) setLanguage(user.language);
    this.state = 'in';
  }
}

export const session = new Session();
