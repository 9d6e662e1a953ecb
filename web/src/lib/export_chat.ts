// A branch as Markdown that people can read anywhere.
import { partsOf } from './steps';
import { fenced } from './text_files';
import { indented } from './tool_calls';

export interface ExportedMessage {
  role: string;
  content: string;
  model: string | null;
  created_at: number;
}

export interface ExportWords {
  question: string;
  answer: string;
  thoughts: string;
  call: (name: string) => string;
  result: string;
  date: (time: number) => string;
}

const json = (text: string): string => {
  const lines = /^[[{]/.test(text) ? indented(text) : null;
  return lines === null ? fenced('', text) : fenced('json', lines);
};

function answerText(content: string, words: ExportWords): string {
  const parts = partsOf(content, true).map((part) => {
    if (part.kind === 'text') return part.text.trim();
    if (part.kind === 'call') return `*${words.call(part.name.replace(/[\s*`]+/g, ' '))}*\n\n${json(part.args ?? part.raw)}`;
    if (part.kind === 'result') return `*${words.result}*\n\n${json(part.text)}`;
    return `*${words.thoughts}*\n\n${part.text.replace(/^/gm, '> ')}`;
  });
  return parts.join('\n\n');
}

export function toMarkdown(title: string, messages: ExportedMessage[], words: ExportWords): string {
  const parts = messages.map((message) => {
    const who = message.role === 'assistant' ? words.answer : words.question;
    const model = message.model ? ` (${message.model})` : '';
    const text = message.role === 'assistant' ? answerText(message.content, words) : message.content.trim();
    return `## ${who}${model}\n\n*${words.date(message.created_at)}*\n\n${text}\n`;
  });
  return `# ${title}\n\n${parts.join('\n')}`;
}

// Fit for a file on every system.
export function fileNameOf(title: string, extension: string): string {
  const name = title
    .replace(/[\p{Cc}<>:"/\\|?*]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 60)
    .replace(/^\.+|\.+$/g, '');
  return `${name || 'chat'}.${extension}`;
}
