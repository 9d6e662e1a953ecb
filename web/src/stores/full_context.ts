// The ways on for a chat that no longer fits into its model's context. The person chooses one;
// nothing that was said is lost by any.
import * as api from '../services/api';
import { ApiFailure } from '../services/http';
import { live } from '../services/live';
import { newestTurns, rateOf, transcript } from '../lib/shorten';
import { plural, t } from '../i18n/index.svelte';
import type { Conversation } from './conversation.svelte';
import type { Entry } from './entry.svelte';
import { models } from './models.svelte';
import { toasts } from './toasts.svelte';

const SUMMARY_TOKENS = 400;
const FALLBACK_CONTEXT = 2048;

function measured(branch: Entry[]) {
  return branch.map((entry) => {
    const usage = entry.extra?.usage;
    return { role: entry.role, content: entry.content, tokens: usage ? usage.prompt_tokens + usage.completion_tokens : null };
  });
}
const contextOf = (model: string | null) => models.find(model)?.context_length ?? FALLBACK_CONTEXT;

// The newest turns and the question once more, as another version of the chat's beginning: the
// whole one stays beside it. Gives the new question.
export async function withoutOldest(conversation: Conversation, question: string): Promise<string | null> {
  const { chat, branch } = conversation;
  const asked = branch.find((entry) => entry.id === question);
  if (!chat || !asked) return null;
  const before = branch.slice(0, branch.indexOf(asked));
  const turns = measured(before);
  const rate = rateOf(turns);
  const budget = contextOf(conversation.model) / 2 - asked.content.length * rate;
  const kept = newestTurns(turns, budget, rate);
  let parent = '';
  for (const turn of [...kept, { role: 'user' as const, content: asked.content }]) {
    const role = turn.role === 'assistant' ? 'assistant' : 'user';
    parent = (await api.addMessage(chat.id, { content: turn.content, role, parent })).id;
  }
  toasts.show(plural('context.dropped', before.length - kept.length));
  return parent;
}

function ended(message: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const end = live().follow(message, 0, (event) => {
      if (event.type !== 'ended' && event.type !== 'gone') return;
      end();
      if (event.type === 'ended' && event.state === 'complete') resolve(message);
      else {
        const error = event.type === 'ended' ? event.extra?.error : null;
        reject(new ApiFailure(200, '', error?.message ?? event.type, null, error?.reason ?? 'unavailable', error?.values));
      }
    });
  });
}

// What was said, in a few sentences of the same model, from a chat that is deleted afterwards.
export async function summaryOf(conversation: Conversation, question: string): Promise<string> {
  const { model, branch } = conversation;
  const turns = measured(branch.filter((entry) => entry.id !== question));
  const words = transcript(turns, contextOf(model) / 2 - SUMMARY_TOKENS, rateOf(turns));
  const chat = await api.addChat({ temporary: true, ...(model ? { settings: { model } } : {}) });
  try {
    const asked = await api.addMessage(chat.id, { content: `${t('context.summaryPrompt')}\n\n${words}`, parent: '' });
    const answer = await api.startAnswer(asked.id, { max_tokens: SUMMARY_TOKENS });
    await ended(answer.id);
    return (await api.findMessage(answer.id)).content;
  } finally {
    await api.removeChat(chat.id).catch(() => {});
  }
}
