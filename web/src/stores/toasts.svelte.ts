// Short words about what has just happened, and the polite voice for screen readers.
import { ApiFailure } from '../services/http';
import { tell, type Words } from '../i18n/errors.svelte';
import { t } from '../i18n/index.svelte';

export interface Toast {
  id: number;
  text: string;
  detail: string;
  kind: 'info' | 'error';
}

const SHOWN_MS = 6000;

class Toasts {
  list = $state<Toast[]>([]);
  announcement = $state('');
  #last = 0;

  show(text: string, kind: Toast['kind'] = 'info', detail = ''): void {
    const id = ++this.#last;
    this.list = [...this.list.filter((toast) => toast.text !== text), { id, text, detail, kind }]; // not twice the same
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
      const { text, detail } = explain(error);
      this.show(text, 'error', detail);
      return false;
    }
  }
}

// What is shown of an error: a sentence, and where that is a general one, what the server said.
export function explain(error: unknown): Words {
  if (!(error instanceof ApiFailure)) return { text: t('error.page'), detail: String(error) };
  if (error.status === 0) return { text: t('error.unreachable'), detail: '' };
  const { text, detail } = tell(error);
  return { text, detail: detail && error.request ? `${detail} · ${error.request}` : detail };
}

export function describe(error: unknown): string {
  const { text, detail } = explain(error);
  return detail ? `${text} (${detail})` : text;
}

export const toasts = new Toasts();
