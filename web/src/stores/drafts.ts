// What was typed and not sent, per person and chat; "new" for a chat that is not there yet.
import { itemKeys, readItem, writeItem } from '../services/storage';
import { session } from './session.svelte';

const MOST = 50;
const LONGEST = 400_000; // a large file that was added, and words about it

const keyOf = (chat: string | null) => `draft.${session.user?.id ?? 'local'}.${chat ?? 'new'}`;

export function readDraft(chat: string | null): string {
  return readItem(keyOf(chat)) ?? '';
}

export function writeDraft(chat: string | null, text: string): void {
  const key = keyOf(chat);
  if (!text.trim() || text.length > LONGEST) return writeItem(key, null);
  const others = itemKeys('draft.').filter((other) => other !== key);
  others.slice(0, Math.max(0, others.length - MOST + 1)).forEach((other) => writeItem(other, null));
  writeItem(key, text);
}
