// Short words about what has just happened, and the polite voice for screen readers.
import { ApiFailure } from '../services/http';
import { t } from '../i18n/index.svelte';

export interface Toast {
  id: number;
  text: string;
  kind: 'info' | 'error';
}

const SHOWN_MS = 6000;

class Toasts {
  list = $state<Toast[]>([]);
  announcement = $state('');
  #last = 0;

  show(text: string, kind: Toast['kind'] = 'info'): void {
    const id = ++this.#last;
    this.list = [...this.list.filter((toast) => toast.text !== text), { id, text, kind }]; // not twice the same
    setTimeout(() => this.dismiss(id), kind === 'error' ? SHOWN_MS * 2 : SHOWN_MS);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  // For ears only; the same words twice are said twice.
  announce(text: string): void {
    this.announcement = this.announcement === text ? `${text}\u00a0` : text;
  }

  // Runs `act`, shows what goes wrong. Whether it went well.
  async trying(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.show(describe(error), 'error');
      return false;
    }
  }
}

export function describe(error: unknown): string {
  if (!(error instanceof ApiFailure)) return error instanceof Error ? error.message : String(error);
  if (error.status === 0) return t('error.unreachable');
  if (error.status === 401) return t('error.loggedOut');
  if (error.status === 429) return t('error.busy');
  if (error.status === 503) return t('error.notReady');
  return error.message;
}

export const toasts = new Toasts();
