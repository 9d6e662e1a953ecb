// Gives the person a chat as a file: the branch that is shown as Markdown, or all of it as JSON.
import { dateTime, t } from '../i18n/index.svelte';
import { fileNameOf, toMarkdown } from '../lib/export_chat';
import { branchOf } from '../lib/tree';
import { findChat, listMessages, type Chat } from './api';
import { download } from './download';

export async function exportChat(chat: Chat, title: string, format: 'markdown' | 'json'): Promise<void> {
  const [{ leaf, ...details }, { data }] = await Promise.all([findChat(chat.id), listMessages(chat.id)]);
  if (format === 'json') {
    const json = JSON.stringify({ format: 'maru.chat.1', chat: { ...details, leaf }, messages: data }, null, 2);
    return download(fileNameOf(title, 'json'), 'application/json', json);
  }
  const nodes = new Map(data.map((message) => [message.id, message]));
  const branch = branchOf(nodes, leaf ?? data.at(-1)?.id ?? null);
  const words = {
    question: t('message.question'),
    answer: t('message.answer'),
    thoughts: t('thinking.done'),
    call: (name: string) => t('step.asked', { name: name || t('step.unnamed') }),
    result: t('step.result'),
    date: dateTime,
  };
  download(fileNameOf(title, 'md'), 'text/markdown', toMarkdown(title, branch, words));
}
