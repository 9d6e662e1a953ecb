// Chats out of what other programs export: ChatGPT's and Claude's conversations.json, and our own
// JSON. Nothing in it is trusted: what has another shape is left out, and words of others that look
// like a step of an answer stay words.
import { callText, resultText, withoutMarks } from './steps';

export interface ImportedMessage {
  role: 'user' | 'assistant' | 'system';
  content: string;
  model?: string;
  created_at?: number;
  parent?: number;
}
export interface ImportedChat {
  title: string;
  created_at?: number;
  messages: ImportedMessage[];
  leaf?: number;
}

const MOST_MESSAGES = 10_000;
const MOST_CHARACTERS = 1 << 20;
const MOST_TITLE = 200;

type Loose = Record<string, unknown>;
const object = (value: unknown): Loose => (typeof value === 'object' && value !== null ? (value as Loose) : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const cut = (value: string, most: number) => [...value.replaceAll('\0', '').slice(0, most * 2)].slice(0, most).join('');

// ChatGPT counts seconds, Claude writes ISO 8601, we count milliseconds.
function timeOf(value: unknown): number | undefined {
  const time = typeof value === 'number' ? (value < 1e11 ? value * 1000 : value) : Date.parse(text(value));
  return Number.isFinite(time) && time > 0 && time < 8.64e15 ? Math.round(time) : undefined;
}

const ROLES: Record<string, ImportedMessage['role']> = { user: 'user', human: 'user', assistant: 'assistant', system: 'system' };

const wordsOf = (role: unknown, words: string) => (role === 'assistant' ? withoutMarks(words) : words);

interface Node {
  id: string;
  parent: string | null;
  message: ImportedMessage | null; // null: nothing to show, its children go to its parent
  step?: string; // without a message: a part of the answer that follows
}

function messageOf(role: unknown, content: string, more: { model?: unknown; time?: unknown }): ImportedMessage | null {
  const known = ROLES[text(role)];
  if (!known || !content.trim()) return null;
  const model = cut(text(more.model), MOST_TITLE);
  const time = timeOf(more.time);
  return {
    role: known,
    content: cut(content, MOST_CHARACTERS),
    ...(model ? { model } : {}),
    ...(time !== undefined ? { created_at: time } : {}),
  };
}

// An answer with the steps that led to it.
function withSteps(node: Node, known: Map<string, Node>): ImportedMessage {
  const message = node.message!;
  if (message.role !== 'assistant') return message;
  const steps: string[] = [];
  const seen = new Set<string>();
  for (let at = known.get(node.parent ?? ''); at && !at.message && !seen.has(at.id); at = known.get(at.parent ?? '')) {
    seen.add(at.id);
    if (at.step) steps.unshift(at.step);
  }
  return steps.length > 0 ? { ...message, content: cut([...steps, message.content].join('\n\n'), MOST_CHARACTERS) } : message;
}

// Parents before children; the place of each in the list says who is whose parent.
function chatOf(title: unknown, created: unknown, nodes: Node[], leaf: string | null): ImportedChat | null {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const places = new Map<string, number>();
  const messages: ImportedMessage[] = [];
  // The nearest ancestor that is shown, and itself if it is.
  const shown = (id: string | null): Node | null => {
    const seen = new Set<string>();
    for (let node = known.get(id ?? ''); node && !seen.has(node.id); node = known.get(node.parent ?? '')) {
      if (node.message) return node;
      seen.add(node.id);
    }
    return null;
  };
  const add = (start: Node): void => {
    const way: Node[] = [];
    const seen = new Set<string>();
    for (let node = shown(start.id); node && !places.has(node.id) && !seen.has(node.id); node = shown(node.parent)) {
      seen.add(node.id);
      way.push(node);
    }
    for (const node of way.reverse()) {
      if (messages.length >= MOST_MESSAGES) return;
      const parent = places.get(shown(node.parent)?.id ?? '');
      places.set(node.id, messages.length);
      messages.push({ ...withSteps(node, known), ...(parent !== undefined ? { parent } : {}) });
    }
  };
  nodes.forEach(add);
  if (messages.length === 0) return null;
  const place = places.get(shown(leaf)?.id ?? '');
  const time = timeOf(created);
  return {
    title: cut(text(title), MOST_TITLE),
    messages,
    ...(time !== undefined ? { created_at: time } : {}),
    ...(place !== undefined ? { leaf: place } : {}),
  };
}

// Tools are called by messages to them, and answer by messages of their own.
function stepOfChatGpt(message: Loose, content: Loose): string {
  const author = object(message['author']);
  const words = text(content['text']) || text(content['result']) || list(content['parts']).filter((part) => typeof part === 'string').join('\n');
  if (text(author['role']) === 'tool') return words ? resultText(words) : '';
  const tool = text(message['recipient']);
  if (text(author['role']) !== 'assistant' || !tool || tool === 'all' || !words) return '';
  let input: unknown = null;
  try {
    input = JSON.parse(words);
  } catch {
    // a program or a query of its own kind
  }
  return callText(tool, typeof input === 'object' && input !== null ? input : { input: words });
}

function ofChatGpt(chat: Loose): ImportedChat | null {
  const nodes = Object.entries(object(chat['mapping'])).map(([id, value]): Node => {
    const node = object(value);
    const message = object(node['message']);
    const content = object(message['content']);
    const parts = list(content['parts']).filter((part) => typeof part === 'string');
    const isHidden = object(message['metadata'])['is_visually_hidden_from_conversation'] === true;
    const isForTool = !['', 'all'].includes(text(message['recipient']));
    const isText = ['text', 'multimodal_text'].includes(text(content['content_type'])) && !isForTool && !isHidden;
    const role = object(message['author'])['role'];
    const words = isText ? wordsOf(role, parts.join('\n')) : '';
    const step = isHidden ? '' : stepOfChatGpt(message, content);
    const model = object(message['metadata'])['model_slug'];
    return {
      id,
      parent: text(node['parent']) || null,
      message: messageOf(role, words, { model, time: message['create_time'] }),
      ...(step ? { step } : {}),
    };
  });
  return chatOf(chat['title'], chat['create_time'], nodes, text(chat['current_node']) || null);
}

function partOfClaude(part: Loose): string {
  if (part['type'] === 'text') return withoutMarks(text(part['text']));
  const name = text(part['name']);
  if (part['type'] === 'tool_use') return name && callText(name, object(part['input']));
  if (part['type'] !== 'tool_result') return '';
  const words = text(part['content']) || list(part['content']).map((one) => text(object(one)['text'])).filter(Boolean).join('\n');
  return words ? resultText(words) : '';
}

function ofClaude(chat: Loose): ImportedChat | null {
  const nodes: Node[] = [];
  for (const [i, value] of list(chat['chat_messages']).entries()) {
    const message = object(value);
    const parts = list(message['content']).map(object);
    const texts = parts.filter((part) => part['type'] === 'text').map((part) => text(part['text'])).join('\n\n');
    const isAnswer = message['sender'] === 'assistant';
    const hasSteps = isAnswer && parts.some((part) => part['type'] === 'tool_use' && text(part['name']));
    const files = list(message['attachments'])
      .map(object)
      .filter((file) => text(file['extracted_content']))
      .map((file) => `${text(file['file_name'])}\n\n${text(file['extracted_content'])}`);
    const plain = text(message['text']) || texts;
    const words = hasSteps ? parts.map(partOfClaude).filter(Boolean).join('\n\n') : isAnswer ? withoutMarks(plain) : plain;
    nodes.push({
      id: String(i),
      parent: i > 0 ? String(i - 1) : null,
      message: messageOf(message['sender'], [...files, words].join('\n\n'), { time: message['created_at'] }),
    });
  }
  return chatOf(chat['name'], chat['created_at'], nodes, nodes.at(-1)?.id ?? null);
}

function ofMaru(file: Loose): ImportedChat | null {
  const chat = object(file['chat']);
  const nodes = list(file['messages']).map(object).map((message): Node => ({
    id: text(message['id']),
    parent: text(message['parent']) || null,
    message: messageOf(message['role'], text(message['content']), { model: message['model'], time: message['created_at'] }),
  }));
  return chatOf(chat['title'], chat['created_at'], nodes, text(chat['leaf']) || null);
}

export function chatsIn(json: unknown): ImportedChat[] {
  const file = object(json);
  if (file['format'] === 'maru.chat.1') return [ofMaru(file)].filter((chat) => chat !== null);
  const chats = list(json).length > 0 ? list(json) : list(file['conversations']);
  return chats
    .map(object)
    .map((chat) => ('mapping' in chat ? ofChatGpt(chat) : 'chat_messages' in chat ? ofClaude(chat) : null))
    .filter((chat) => chat !== null);
}
