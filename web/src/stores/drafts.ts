// What was typed and not sent, per person and chat; "new" for a chat that is not there yet.
import { itemKeys, readItem, writeItem } from '../services/storage';
import { session } from './session.svelte';

const MOST = 50;
const LONGEST = 400_000; // a large file that was added, and words about it
const ALL = 2_000_000; // characters of all of them: browsers keep about five million, and not only drafts

const keyOf = (chat: string | null) => `draft.${session.user?.id ?? 'local'}.${chat ?? 'new'}`;

// Their keys and lengths from the oldest on: the order in which a browser lists its items tells
// nothing, and reading all of them at every letter is dear.
const INDEX = 'drafts';
type Item = readonly [key: string, length: number];

function listed(): Item[] {
  const keys = new Set(itemKeys('draft.'));
  const lines = (readItem(INDEX) ?? '').split('\n').map((line): Item => [line.slice(line.indexOf(' ') + 1), parseInt(line, 10)]);
  const known = lines.filter(([key, length]) => length >= 0 && keys.delete(key));
  return [...[...keys].map((key): Item => [key, readItem(key)?.length ?? 0]), ...known];
}

export function readDraft(chat: string | null): string {
  return readItem(keyOf(chat)) ?? '';
}

export function writeDraft(chat: string | null, text: string): void {
  const key = keyOf(chat);
  if (!text.trim() || text.length > LONGEST) return writeItem(key, null);
  const others = listed().filter(([other]) => other !== key);
  let left = ALL - text.length;
  let from = others.length; // the newest stay
  while (from > 0 && others.length - from < MOST - 1 && (left -= others[from - 1]![1]) >= 0) --from;
  others.slice(0, from).forEach(([other]) => writeItem(other, null));
  writeItem(key, text);
  writeItem(INDEX, [...others.slice(from), [key, text.length] as const].map(([one, length]) => `${length} ${one}`).join('\n'));
}
