// A branch as Markdown that people can read anywhere.
export interface ExportedMessage {
  role: string;
  content: string;
  model: string | null;
  created_at: number;
}

export function toMarkdown(
  title: string,
  messages: ExportedMessage[],
  words: { question: string; answer: string; date: (time: number) => string },
): string {
  const parts = messages.map((message) => {
    const who = message.role === 'assistant' ? words.answer : words.question;
    const model = message.model ? ` (${message.model})` : '';
    return `## ${who}${model}\n\n*${words.date(message.created_at)}*\n\n${message.content.trim()}\n`;
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
