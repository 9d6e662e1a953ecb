// The chat that is open: its tree of messages, the branch that is shown, and what one does to it.
import * as api from '../services/api';
import { drawTwo } from '../lib/votes';
import { ApiFailure, isGone } from '../services/http';
import { newestLeaf } from '../lib/tree';
import { t } from '../i18n/index.svelte';
import { assistants } from './assistants.svelte';
import { chats } from './chats.svelte';
import { Entry, onItsWay } from './entry.svelte';
import { Messages } from './messages.svelte';
import { models } from './models.svelte';
import { Opinions } from './opinions.svelte';
import { pairs } from './pairs.svelte';
import { preferences } from './preferences.svelte';
import { router } from './router.svelte';
import { toasts } from './toasts.svelte';

export class Conversation {
  chat = $state.raw<api.Chat | null>(null); // null: it begins with the first message
  isTemporary = $state(false);
  isLoading = $state(false);
  problem = $state.raw<unknown>(null); // why the chat can't be shown
  isSending = $state(false);
  failure = $state.raw<{ question: string; error: unknown } | null>(null); // the question without an answer, and why
  // The model that answers beside the chat's own; '': any other; null: none.
  rival = $state<string | null>(null);
  pending = $state.raw<Entry | null>(null); // the question that is being sent
  asked = $state(0); // how many were
  revealed = $state.raw<{ id: string } | null>(null); // the message that one comes to
  readonly opinions = new Opinions();
  readonly #messages: Messages = new Messages(
    () => (this.isSending ? null : (this.chat?.id ?? null)),
    (ended) => this.#onEnded(ended),
  );
  #newModel = $state<string | null>(null);
  #newAssistant = $state<string | null>(null);
  #endChanges: () => void;
  #saving: Promise<unknown> | null = null; // the settings that the next answer is made by

  assistant = $derived(this.chat ? (this.chat.settings?.assistant ?? null) : this.#newAssistant);
  branch = $derived(this.#messages.branch);
  // The last two answers, if they were asked for side by side.
  pair = $derived.by((): [Entry, Entry] | null => {
    const last = this.branch.at(-1);
    const [a, b] = (last?.parent && pairs.find(last.parent)?.map((id) => this.#messages.find(id))) || [];
    return a && b && (last === a || last === b) ? [a, b] : null;
  });
  running = $derived([...this.branch, ...(this.pair ?? [])].find((entry) => entry.isRunning) ?? null);
  model = $derived(this.chat?.settings?.model ?? this.#newModel ?? models.find(assistants.find(this.assistant)?.settings?.model)?.id ?? models.first);

  // `assistant`: that a new chat begins with.
  constructor(assistant: string | null = null) {
    this.#newAssistant = assistant;
    this.#endChanges = chats.onChange((what, chat) => {
      const isOurs = this.isLoading || (this.chat !== null && (what === 'missed' || chat === this.chat.id));
      if (isOurs && (what === 'missed' || what === 'message')) void this.#messages.reconcile();
      if (isOurs && (what === 'missed' || what === 'chat')) void this.#refreshChat();
    });
  }

  get leaf(): string | null {
    return this.#messages.leaf;
  }

  close(): void {
    this.#endChanges();
    this.#messages.close();
  }

  async open(id: string): Promise<void> {
    this.isLoading = true;
    this.problem = null;
    try {
      const [chat, messages] = await Promise.all([api.findChat(id), api.listMessages(id)]);
      this.chat = chat;
      this.isTemporary = chat.temporary;
      this.#messages.set(messages.data, chat.leaf);
      this.#messages.catchUp();
      void this.opinions.load(id).catch(() => {});
    } catch (error) {
      this.problem = error;
    } finally {
      this.isLoading = false;
    }
  }

  // Gives whether it was sent; if not, the words are still the writer's.
  async send(text: string): Promise<boolean> {
    if (this.isSending || this.running) return false;
    this.isSending = true;
    this.pending = onItsWay(text);
    this.asked += 1;
    const isSent = await toasts.trying(async () => {
      const chat = this.chat ?? (await this.#begin());
      const question = await this.#ask(chat.id, text);
      this.pending = null;
      await (this.rival === null ? this.#answer(question.id) : this.#answerTwice(question.id, this.rival));
    });
    if (!isSent) void this.#messages.reconcile();
    this.pending = null;
    this.#endSending();
    return isSent;
  }

  async regenerate(answer: Entry, model?: string): Promise<void> {
    if (answer.parent === null || this.isSending) return;
    void api.addFeedback({ message: answer.id, kind: 'regeneration' }).catch(() => {});
    await this.#answer(answer.parent, model ? { model } : {});
  }

  // A question that was added to the chat by another way.
  readonly askAgain = (question: string): Promise<void> => this.#messages.reconcile().then(() => this.#answer(question));

  readonly retry = (question: string): Promise<void> => this.#answer(question);

  // An answer that was cut goes on in its own words.
  async goOn(answer: Entry): Promise<void> {
    if (this.running) return;
    await toasts.trying(async () => {
      this.#messages.goOn(answer, await api.continueAnswer(answer.id));
      toasts.announce(t('announce.answering'));
    });
  }

  // Both the old words and the new stay, as branches.
  async edit(question: Entry, text: string): Promise<void> {
    await toasts.trying(async () => {
      const edited = this.#messages.add(await api.editMessage(question.id, text));
      this.asked += 1;
      await this.#answer(edited.id);
    });
  }

  async stop(): Promise<void> {
    const running = new Set([this.running, ...(this.pair ?? [])].filter((entry) => entry?.isRunning));
    await toasts.trying(() => Promise.all([...running].map((entry) => entry && api.stopAnswer(entry.id))));
  }

  readonly siblings = (entry: Entry): Entry[] => this.#messages.children.get(entry.parent) ?? [entry];

  walk(entry: Entry, step: number): void {
    const siblings = this.siblings(entry);
    const next = siblings[siblings.indexOf(entry) + step];
    if (!next) return;
    const leaf = newestLeaf(this.#messages.children, next.id);
    this.#messages.leaf = leaf;
    this.failure = null;
    if (this.chat) void api.changeChat(this.chat.id, { leaf }).catch(() => {});
  }

  // Shows the branch that goes through `id`.
  reveal(id: string): void {
    if (!this.#messages.find(id)) return;
    if (!this.branch.some((entry) => entry.id === id)) this.#messages.leaf = newestLeaf(this.#messages.children, id);
    this.revealed = { id };
  }

  // The chat goes on from the one that was preferred.
  async vote(winner: Entry, loser: Entry, topic: string, tie: boolean): Promise<void> {
    await this.opinions.addVote(winner.id, loser.id, topic, tie);
    this.#messages.leaf = winner.id;
    if (this.chat) void api.changeChat(this.chat.id, { leaf: winner.id }).catch(() => {});
  }

  setModel(model: string): void {
    preferences.setModel(model);
    this.#newModel = model;
    const { chat } = this;
    if (chat) this.#saving = toasts.trying(async () => (this.chat = await api.changeChat(chat.id, { settings: { ...chat.settings, model } })));
  }

  async #begin(): Promise<api.Chat> {
    const { model, assistant } = this;
    const chat = await api.addChat({
      ...(model || assistant ? { settings: { ...(model ? { model } : {}), ...(assistant ? { assistant } : {}) } } : {}),
      ...(this.isTemporary ? { temporary: true } : {}),
      ...(chats.folder && !this.isTemporary ? { folder: chats.folder } : {}),
    });
    this.chat = chat;
    chats.put(chat);
    router.rename(`/chat/${chat.id}`);
    return chat;
  }

  // A request whose answer was lost may have been done: then the question is there.
  async #ask(chat: string, content: string): Promise<Entry> {
    const parent = this.leaf;
    try {
      return this.#messages.add(await api.addMessage(chat, { content, parent: parent ?? '' }));
    } catch (error) {
      if (error instanceof ApiFailure && error.status >= 400 && error.status < 500) throw error;
      const { data } = await api.listMessages(chat, { isFresh: true }).catch(() => ({ data: [] }));
      const isIt = (one: api.ChatMessage) => one.role === 'user' && one.parent === parent && one.content === content;
      const stored = data.findLast((one) => isIt(one) && !this.#messages.find(one.id));
      if (!stored) throw error;
      return this.#messages.add(stored);
    }
  }

  async #answer(question: string, settings: api.ChatSettings = {}): Promise<void> {
    this.failure = null;
    this.isSending = true;
    try {
      this.#messages.leaf = question;
      await this.#saving;
      this.#messages.addAnswer(await api.startAnswer(question, settings));
      toasts.announce(t('announce.answering'));
    } catch (error) {
      this.#fail(question, error);
    }
    this.#endSending();
    void this.#refreshChat(); // its title may come of the first message
  }

  // Both at once, in an order that tells nothing.
  async #answerTwice(question: string, rival: string): Promise<void> {
    this.failure = null;
    await this.#saving; // of the model that was just chosen
    const wanted = drawTwo(this.model, rival, models.list.map((model) => model.id));
    try {
      const answers = await Promise.all(wanted.map((model) => api.startAnswer(question, { model })));
      const [a, b] = answers;
      if (a && b) pairs.put(question, [a.id, b.id]);
      toasts.announce(t('announce.answering'));
      answers.forEach((answer) => this.#messages.addAnswer(answer));
    } catch (error) {
      this.#fail(question, error);
    }
    void this.#refreshChat();
  }

  #onEnded(entry: Entry): void {
    toasts.announce(t(entry.state === 'failed' ? 'announce.failed' : 'announce.answered'));
    const isFirst = this.branch.filter((one) => one.role === 'assistant').length === 1;
    // The title comes as a change of the chat; without one it keeps its first words.
    if (entry.state === 'complete' && isFirst && this.chat && !this.isTemporary) {
      void api.makeTitle(this.chat.id).catch(() => {});
    }
  }

  #fail(question: string, error: unknown): void {
    this.failure = { question, error };
    void this.#messages.reconcile(); // what was asked for may be there
  }

  #endSending(): void {
    this.isSending = false;
    this.#messages.catchUp();
  }

  async #refreshChat(id = this.chat?.id): Promise<void> {
    if (!id) return;
    try {
      const chat = await api.findChat(id, { isFresh: true });
      if (this.chat?.id !== id) return;
      this.chat = chat;
      chats.put(chat);
    } catch (error) {
      if (isGone(error) && this.chat?.id === id) this.problem = error; // out of reach: what is shown stays
    }
  }
}
