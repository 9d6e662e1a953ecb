// The server's API as functions. Types come from docs/api/openapi.json.
import { request } from './http';
import { forgetAll } from './kept';
import type { components } from './openapi';

type Schemas = components['schemas'];
export type Chat = Schemas['Chat'];
export type ChatSettings = NonNullable<Schemas['ChatSettings']>;
export type ChatMessage = Schemas['ChatMessage'];
export type RunExtra = Schemas['RunExtra'];
export type Folder = Schemas['Folder'];
export type FoundMessage = Schemas['FoundMessage'];
export type Feedback = Schemas['Feedback'];
export type VoteCount = Schemas['VoteCount'];
export type SavedPrompt = Schemas['SavedPrompt'];
export type Assistant = Schemas['Assistant'];
export type AssistantWish = Schemas['AssistantWish'];
export type Share = Schemas['Share'];
export type SharedBranch = Schemas['SharedBranch'];
export type ImportedChat = Schemas['ImportedChat'];
export type Memory = Schemas['Memory'];
export type Model = Schemas['Model'];
export type User = Schemas['User'];
export type Me = Schemas['Me'];
export type Login = Schemas['Login'];

const id = encodeURIComponent;

export const health = () => request<Schemas['Status']>('GET', '/health', { keep: true });
export const me = () => request<Me>('GET', '/api/me', { expectsLogin: true, keep: true });
export const login = (name: string, password: string) =>
  request<Login>('POST', '/api/login', { body: { name, password }, expectsLogin: true });
export const logout = () => request<unknown>('POST', '/api/logout');
export const changeProfile = (change: { language?: string }) =>
  request<User>('PATCH', '/api/me', { body: change });

export const models = () => request<Schemas['ModelList']>('GET', '/v1/models', { keep: true });

export interface ChatFilter {
  folder?: string | undefined;
  tag?: string | undefined;
  archived?: boolean | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}
export const listChats = (filter: ChatFilter = {}) =>
  request<Schemas['ChatList']>('GET', '/api/chats', { query: { ...filter }, keep: true });
export const addChat = (chat: { settings?: ChatSettings; temporary?: boolean; folder?: string; title?: string }) =>
  request<Chat>('POST', '/api/chats', { body: chat });
// `isFresh`: a failure where the server is out of reach, not what was kept of it.
type Reading = { isFresh?: boolean };
export const findChat = (chat: string, reading: Reading = {}) => request<Chat>('GET', `/api/chats/${id(chat)}`, { keep: true, ...reading });
export interface ChatChange {
  title?: string;
  folder?: string | null;
  tags?: string[];
  settings?: ChatSettings;
  pinned?: boolean;
  archived?: boolean;
  leaf?: string;
}
export const changeChat = (chat: string, change: ChatChange) =>
  request<Chat>('PATCH', `/api/chats/${id(chat)}`, { body: change });
export const makeTitle = (chat: string) =>
  request<{ started: boolean }>('POST', `/api/chats/${id(chat)}/title`, { body: {} });
export const removeChat = (chat: string) => request<unknown>('DELETE', `/api/chats/${id(chat)}`);

export const listFolders = () => request<Schemas['FolderList']>('GET', '/api/folders', { keep: true });
export const addFolder = (name: string) => request<Folder>('POST', '/api/folders', { body: { name } });
export const renameFolder = (folder: string, name: string) =>
  request<unknown>('PATCH', `/api/folders/${id(folder)}`, { body: { name } });
export const removeFolder = (folder: string) => request<unknown>('DELETE', `/api/folders/${id(folder)}`);

export const search = (query: string, cursor?: string, signal?: AbortSignal) =>
  request<Schemas['FoundList']>('GET', '/api/search', {
    query: { query, cursor, limit: 30 },
    ...(signal ? { signal } : {}),
  });

export const listMessages = (chat: string, reading: Reading = {}) =>
  request<Schemas['ChatMessageList']>('GET', `/api/chats/${id(chat)}/messages`, { keep: true, ...reading });
export const addMessage = (chat: string, message: { content: string; parent?: string; role?: 'user' | 'assistant' }) =>
  request<ChatMessage>('POST', `/api/chats/${id(chat)}/messages`, { body: message });
export const editMessage = (message: string, content: string) =>
  request<ChatMessage>('PATCH', `/api/messages/${id(message)}`, { body: { content } });
export const findMessage = (message: string) => request<ChatMessage>('GET', `/api/messages/${id(message)}`);
export const startAnswer = (question: string, settings: ChatSettings = {}) =>
  request<ChatMessage>('POST', `/api/messages/${id(question)}/answer`, { body: settings });
export const continueAnswer = (message: string) =>
  request<ChatMessage>('POST', `/api/messages/${id(message)}/continue`, { body: {} });
export const stopAnswer = (message: string) => request<unknown>('POST', `/api/messages/${id(message)}/stop`);

export type FeedbackKind = 'thumb' | 'edit' | 'regeneration' | 'vote';
export const addFeedback = (feedback: {
  message: string;
  kind: FeedbackKind;
  thumb?: 'up' | 'down';
  reasons?: string[];
  comment?: string;
  text?: string;
  over?: string;
  topic?: string;
  tie?: boolean;
}) => request<Feedback>('POST', '/api/feedback', { body: feedback });
export const listFeedback = (chat: string) =>
  request<Schemas['FeedbackList']>('GET', '/api/feedback', { query: { chat } });
export const removeFeedback = (feedback: string) => request<unknown>('DELETE', `/api/feedback/${id(feedback)}`);
export const countVotes = () => request<Schemas['VoteCountList']>('GET', '/api/votes');

export const listPrompts = () => request<Schemas['SavedPromptList']>('GET', '/api/prompts');
export const addPrompt = (name: string, content: string) =>
  request<SavedPrompt>('POST', '/api/prompts', { body: { name, content } });
export const changePrompt = (prompt: string, name: string, content: string) =>
  request<unknown>('PUT', `/api/prompts/${id(prompt)}`, { body: { name, content } });
export const removePrompt = (prompt: string) => request<unknown>('DELETE', `/api/prompts/${id(prompt)}`);

export const listAssistants = () => request<Schemas['AssistantList']>('GET', '/api/assistants');
export const addAssistant = (wish: AssistantWish) => request<Assistant>('POST', '/api/assistants', { body: wish });
export const changeAssistant = (assistant: string, wish: AssistantWish) =>
  request<Assistant>('PUT', `/api/assistants/${id(assistant)}`, { body: wish });
export const removeAssistant = (assistant: string) => request<unknown>('DELETE', `/api/assistants/${id(assistant)}`);

export const listShares = () => request<Schemas['ShareList']>('GET', '/api/shares');
export const addShare = (message: string) => request<Share>('POST', '/api/shares', { body: { message } });
export const removeShare = (share: string) => request<unknown>('DELETE', `/api/shares/${id(share)}`);
export const readShare = (token: string) => request<SharedBranch>('GET', `/api/shared/${id(token)}`);

export const importChat = (chat: ImportedChat) => request<Chat>('POST', '/api/chats/import', { body: chat });

export const listMemories = () => request<Schemas['MemoryList']>('GET', '/api/memories');
export const addMemory = (content: string) => request<Memory>('POST', '/api/memories', { body: { content } });
export const changeMemory = (memory: string, content: string) =>
  request<unknown>('PATCH', `/api/memories/${id(memory)}`, { body: { content } });
export const removeMemory = (memory: string) => request<unknown>('DELETE', `/api/memories/${id(memory)}`);

export const readSettings = () => request<ChatSettings>('GET', '/api/me/settings');
export const writeSettings = (settings: ChatSettings) =>
  request<ChatSettings>('PUT', '/api/me/settings', { body: settings });

export const readData = () => request<unknown>('GET', '/api/me/data');
export const removeData = () => request<unknown>('DELETE', '/api/me/data').finally(forgetAll);
