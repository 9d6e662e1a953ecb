import { beforeEach, expect, test } from 'vitest';
import { readDraft, writeDraft } from './drafts';

beforeEach(() => localStorage.clear());

const left = (chats: string[]) => chats.filter((chat) => readDraft(chat) !== '');
const names = (n: number) => Array.from({ length: n }, (_, i) => `chat${i}`);

test('all drafts together have two million characters, and the oldest go first', () => {
  const chats = names(12).reverse(); // not in the order of their names
  chats.forEach((chat) => writeDraft(chat, 'x'.repeat(300_000)));
  expect(left(chats)).toEqual(chats.slice(-6));
  writeDraft(chats[6]!, 'y'.repeat(300_000)); // it is the newest now
  writeDraft('next', 'z'.repeat(300_000));
  expect(left(chats)).toEqual([chats[6], ...chats.slice(-4)]);
  expect(readDraft(chats[6]!)[0]).toBe('y');
});

test('a draft that grows takes the room of the others, not its own', () => {
  writeDraft('small', 'a few words');
  for (let i = 1; i <= 4; ++i) names(5).forEach((chat) => writeDraft(chat, 'x'.repeat(100_000 * i)));
  expect(readDraft('small')).toBe('');
  expect(left(names(5))).toEqual(names(5));
  expect(readDraft('chat0')).toHaveLength(400_000);
});

test('fifty drafts are kept, those of before the list of them count as the oldest', () => {
  localStorage.setItem('maru.draft.local.old', 'x'.repeat(10));
  const chats = names(49);
  chats.forEach((chat) => writeDraft(chat, 'words'));
  expect(readDraft('old')).not.toBe('');
  writeDraft('one more', 'words');
  expect(readDraft('old')).toBe('');
  expect(left(chats)).toEqual(chats);
});

test('words that are gone or too long leave no draft', () => {
  writeDraft('a', 'words');
  writeDraft('a', '  ');
  expect(readDraft('a')).toBe('');
  writeDraft('a', 'x'.repeat(400_001));
  expect(readDraft('a')).toBe('');
});
