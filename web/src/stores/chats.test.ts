import { afterEach, expect, test, vi } from 'vitest';
import * as api from '../services/api';
import { chats } from './chats.svelte';

vi.mock('../services/api');
afterEach(() => vi.resetAllMocks());

const chat = (id: string) => ({ id, updated_at: 1 }) as api.Chat;

test('of two refreshes the list is that of the later one, however late the first is answered', async () => {
  const answers: ((page: Awaited<ReturnType<typeof api.listChats>>) => void)[] = [];
  vi.mocked(api.listFolders).mockResolvedValue({ data: [] });
  vi.mocked(api.listChats).mockImplementation(() => new Promise((resolve) => answers.push(resolve)));
  const first = chats.refresh();
  const second = chats.refresh();
  await vi.waitFor(() => expect(answers.length).toBe(1));
  answers[0]?.({ data: [chat('old')], next: null });
  await first;
  await vi.waitFor(() => expect(answers.length).toBe(2));
  answers[1]?.({ data: [chat('new')], next: null });
  await second;
  expect(chats.list.map((one) => one.id)).toEqual(['new']);
});

test('a refresh that failed does not hold up the next', async () => {
  vi.mocked(api.listFolders).mockResolvedValue({ data: [] });
  vi.mocked(api.listChats).mockRejectedValueOnce(new Error('away')).mockResolvedValueOnce({ data: [chat('here')], next: null });
  await expect(chats.refresh()).rejects.toThrow('away');
  await chats.refresh();
  expect(chats.list.map((one) => one.id)).toEqual(['here']);
});
