import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as api from '../services/api';
import { ApiFailure } from '../services/http';
import type { AnswerEvent, ChangeEvent } from '../services/live';
import { chats } from './chats.svelte';
import { Conversation } from './conversation.svelte';
import { models } from './models.svelte';

const line = vi.hoisted(() => ({
  say: (_: unknown) => {},
  follows: new Map<string, (event: unknown) => void>(),
}));
vi.mock('../services/api');
vi.mock('../services/live', () => ({
  live: () => ({
    listen: (say: (event: unknown) => void) => ((line.say = say), () => {}),
    follow: (id: string, _: number, say: (event: unknown) => void) => (line.follows.set(id, say), () => line.follows.delete(id)),
  }),
}));

const say = (event: ChangeEvent) => line.say(event);
const tell = (id: string, event: AnswerEvent) => line.follows.get(id)!(event);
const message = (id: string, parent: string | null, content: string, state: api.ChatMessage['state'] = 'complete') =>
  ({ id, parent, content, state, role: id.startsWith('q') ? 'user' : 'assistant', model: null, created_at: 1, extra: null }) as api.ChatMessage;
const chat = (model = 'one') => ({ id: 'c', title: '', temporary: false, leaf: null, updated_at: 1, archived_at: null, folder: null, settings: { model } }) as unknown as api.Chat;

// A request that is answered when the test wants it.
function held<T>(): { promise: Promise<T>; answer: (value: T) => void; fail: (error: unknown) => void } {
  let answer!: (value: T) => void;
  let fail!: (error: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => ((answer = resolve), (fail = reject)));
  return { promise, answer, fail };
}

let stored: api.ChatMessage[] = []; // by the server
let conversation: Conversation;
const shown = () => conversation.branch.map((entry) => entry.id);
const words = () => conversation.branch.map((entry) => entry.content);

beforeEach(async () => {
  stored = [message('q1', null, 'hello'), message('a1', 'q1', 'hi')];
  vi.mocked(api.findChat).mockImplementation(() => Promise.resolve(chat()));
  vi.mocked(api.listMessages).mockImplementation(() => Promise.resolve({ data: [...stored] }));
  vi.mocked(api.listChats).mockResolvedValue({ data: [], next: null });
  vi.mocked(api.listFolders).mockResolvedValue({ data: [] });
  vi.mocked(api.makeTitle).mockResolvedValue({ started: true });
  vi.mocked(api.addMessage).mockImplementation(() => Promise.resolve(message('q2', 'a1', 'and now?')));
  vi.mocked(api.startAnswer).mockImplementation((question) => Promise.resolve(message('a2', question, '', 'running')));
  chats.start();
  conversation = new Conversation();
  await conversation.open('c');
});
afterEach(() => {
  conversation.close();
  chats.stop();
  line.follows.clear();
  vi.resetAllMocks();
});

test('what was removed or written on while the line was away is seen, though the chat is as old as before', async () => {
  stored = [message('q1', null, 'hello'), message('a1', 'q1', 'hi there')];
  say({ type: 'listening' });
  await vi.waitFor(() => expect(words()).toEqual(['hello', 'hi there']));
  stored = [message('q1', null, 'hello')];
  say({ type: 'listening' });
  await vi.waitFor(() => expect(shown()).toEqual(['q1']));
});

test('what happens while something is sent is read afterwards', async () => {
  const answer = held<api.ChatMessage>();
  vi.mocked(api.startAnswer).mockReturnValue(answer.promise);
  const sent = conversation.send('and now?');
  await vi.waitFor(() => expect(api.startAnswer).toHaveBeenCalled());
  say({ type: 'listening' });
  say({ type: 'changed', what: 'message', id: 'a1', chat: 'c' });
  expect(api.listMessages).toHaveBeenCalledTimes(1);
  stored = [message('q1', null, 'hello'), message('a1', 'q1', 'hi there'), message('q2', 'a1', 'and now?'), message('a2', 'q2', '', 'running')];
  answer.answer(stored[3]!);
  expect(await sent).toBe(true);
  await vi.waitFor(() => expect(words()).toEqual(['hello', 'hi there', 'and now?', '']));
});

test('a question that was stored though the answer was lost is not asked twice', async () => {
  vi.mocked(api.addMessage).mockImplementation(() => {
    stored = [...stored, message('q2', 'a1', 'and now?')];
    return Promise.reject(new ApiFailure(0, 'unreachable', 'unreachable'));
  });
  expect(await conversation.send('and now?')).toBe(true);
  expect(shown()).toEqual(['q1', 'a1', 'q2', 'a2']);
  expect(api.startAnswer).toHaveBeenCalledWith('q2', {});
});

test('the words of a question that was not stored are still the writer\'s', async () => {
  vi.mocked(api.addMessage).mockRejectedValue(new ApiFailure(0, 'unreachable', 'unreachable'));
  stored = [...stored, message('q9', 'q1', 'and now?')]; // the same words elsewhere
  expect(await conversation.send('and now?')).toBe(false);
  expect(api.startAnswer).not.toHaveBeenCalled();
  expect(conversation.isSending).toBe(false);
});

test('an answer that was begun though its beginning was lost is followed', async () => {
  vi.mocked(api.startAnswer).mockImplementation(() => {
    stored = [...stored, message('q2', 'a1', 'and now?'), message('a2', 'q2', '', 'running')];
    return Promise.reject(new ApiFailure(0, 'unreachable', 'unreachable'));
  });
  expect(await conversation.send('and now?')).toBe(true);
  await vi.waitFor(() => expect(conversation.running?.id).toBe('a2'));
  expect(line.follows.has('a2')).toBe(true);
});

test('a list from before a question does not take the question away', async () => {
  const old = held<{ data: api.ChatMessage[] }>();
  vi.mocked(api.listMessages).mockReturnValueOnce(old.promise);
  say({ type: 'changed', what: 'message', id: 'a1', chat: 'c' });
  expect(await conversation.send('and now?')).toBe(true);
  stored = [...stored, message('q2', 'a1', 'and now?'), message('a2', 'q2', '', 'running')];
  old.answer({ data: stored.slice(0, 2) });
  await vi.waitFor(() => expect(api.listMessages).toHaveBeenCalledTimes(3));
  await old.promise;
  expect(shown()).toEqual(['q1', 'a1', 'q2', 'a2']);
  tell('a2', { type: 'text', offset: 0, text: 'now', next: 3 });
  expect(words().at(-1)).toBe('now');
});

test('two answers side by side wait for the model that was just chosen', async () => {
  models.all = ['one', 'two', 'three'].map((id) => ({ id }) as api.Model);
  const saved = held<api.Chat>();
  vi.mocked(api.changeChat).mockReturnValue(saved.promise);
  vi.mocked(api.startAnswer).mockImplementation((question, settings) => Promise.resolve(message(`a-${settings?.model}`, question, '', 'running')));
  conversation.rival = 'three';
  conversation.setModel('two');
  const sent = conversation.send('and now?');
  await vi.waitFor(() => expect(api.addMessage).toHaveBeenCalled());
  await Promise.resolve();
  expect(api.startAnswer).not.toHaveBeenCalled();
  saved.answer(chat('two'));
  await sent;
  expect(vi.mocked(api.startAnswer).mock.calls.map(([, settings]) => settings?.model).sort()).toEqual(['three', 'two']);
});
