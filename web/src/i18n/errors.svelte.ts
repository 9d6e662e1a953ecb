// What went wrong, in the person's words, which come after the first page.
import { t } from './index.svelte';
import type { Told, Values, Words } from './error_words';

export type { Told, Values, Words };

let words = $state.raw<typeof import('./error_words') | null>(null);

export async function loadErrorWords(): Promise<void> {
  words ??= await import('./error_words').catch(() => null); // without a network: later
}

export function tell(told: Told): Words {
  if (!words) void loadErrorWords();
  return words?.wordsOf(told) ?? { text: t('error.failed'), detail: told.message };
}
