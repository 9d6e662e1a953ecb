// The chat that is open: its tree of messages, the branch that is shown, and what one does to it.
import * as api from '../services/api';
import { drawTwo } from '../lib/votes';
import { isGone } from '../services/http';
import { branchOf, childrenOf, newestLeaf } from '../lib/tree';
import { t } from '../i18n/index.svelte';
import { assistants } from './assistants.svelte';
import { chats } from './chats.svelte';
import { Entry, merged, onItsWay } from './entry.svelte';
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
  leaf = $state<string | null>(null);
  failure = $state.raw<{ question: string; error: unknown } | null>(null); // the question without an answer, and why
  // The model that answers beside the chat's own; '': any other; null: none.
  rival = $state<string | null>(null);
  pending = $state.raw<Entry | null>(null); // the question that is being sent
  asked = $state(0); // how many were
  revealed = $state.raw<{ id: string } | null>(null); // the message that one comes to
  readonly opinions = new Opinions();
  #entries = $state.raw(new Map<string, Entry>());
  #newModel = $state<string | null>(null);
  #newAssistant = $state<string | null>(null);
  #endChanges: () => void;
  #saving: Promise<unknown> | null = null; // the settings that the next answer is made by

  assistant = $derived(this.chat ? (this.chat.settings?.assistant ?? null) : this.#newAssistant);
  branch = $derived(branchOf(this.#entries, this.leaf));
  children = $derived(childrenOf(this.#entries.values()));
  // The last two answers, if they were asked for side by side.
  pair = $derived.by((): [Entry, Entry] | null => {
    const last = this.branch.at(-1);
    const [a, b] = (last?.parent && pairs.find(last.parent)?.map((id) => this.#entries.get(id))) || [];
    return a && b && (last === a || last === b) ? [a, b] : null;
  });
  running = $derived([...this.branch, ...(this.pair ?? [])].find((entry) => entry.isRunning) ?? null);
  model = $derived(this.chat?.settings?.model ?? this.#newModel ?? models.find(assistants.find(this.assistant)?.settings?.model)?.id ?? models.first);

  // `assistant`: that a new chat begins with.
  constructor(assistant: string | null = null) {
    this.#newAssistant = assistant;
    this.#endChanges = chats.onChange((what, chat) => {
      if (what === 'message' && chat === this.chat?.id && !this.isSending) void this.#reconcile();
      if (what === 'chat' && chat === this.chat?.id) void this.#refreshChat();
      if (what === 'missed') void this.#catchUp();
    });
  }

  close(): void {
    this.#endChanges();
    this.#entries.forEach((entry) => entry.unfollow());
  }

  async open(id: string): Promise<void> {
    this.isLoading = true;
    this.problem = null;
    try {
      const [chat, messages] = await Promise.all([api.findChat(id), api.listMessages(id)]);
      this.chat = chat;
      this.isTemporary = chat.temporary;
      this.#entries = new Map(messages.data.map((message) => [message.id, new Entry(message)]));
      this.leaf = chat.leaf ?? messages.data.at(-1)?.id ?? null;
      this.#followAll();
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
      const question = this.#add(await api.addMessage(chat.id, { content: text, parent: this.leaf ?? '' }));
      this.pending = null;
      await (this.rival === null ? this.#answer(question.id) : this.#answerTwice(question.id, this.rival));
    });
    this.isSending = false;
    this.pending = null;
    return isSent;
  }

  async regenerate(answer: Entry, model?: string): Promise<void> {
    if (answer.parent === null || this.isSending) return;
    void api.addFeedback({ message: answer.id, kind: 'regeneration' }).catch(() => {});
    await this.#answer(answer.parent, model ? { model } : {});
  }

  // A question that was added to the chat by another way.
  readonly askAgain = (question: string): Promise<void> => this.#reconcile().then(() => this.#answer(question));

  readonly retry = (question: string): Promise<void> => this.#answer(question);

  // An answer that was cut goes on in its own words.
  async goOn(answer: Entry): Promise<void> {
    if (this.running) return;
    await toasts.trying(async () => {
      answer.restart(await api.continueAnswer(answer.id));
      toasts.announce(t('announce.answering'));
      answer.follow((ended) => this.#onEnded(ended));
    });
  }

  // Both the old words and the new stay, as branches.
  async edit(question: Entry, text: string): Promise<void> {
    await toasts.trying(async () => {
      const edited = this.#add(await api.editMessage(question.id, text));
      this.asked += 1;
      await this.#answer(edited.id);
    });
  }

  async stop(): Promise<void> {
    const running = new Set([this.running, ...(this.pair ?? [])].filter((entry) => entry?.isRunning));
    await toasts.trying(() => Promise.all([...running].map((entry) => entry && api.stopAnswer(entry.id))));
  }

  readonly siblings = (entry: Entry): Entry[] => this.children.get(entry.parent) ?? [entry];

  walk(entry: Entry, step: number): void {
    const siblings = this.siblings(entry);
    const next = siblings[siblings.indexOf(entry) + step];
    if (!next) return;
    this.leaf = newestLeaf(this.children, next.id);
    this.failure = null;
    if (this.chat) void api.changeChat(this.chat.id, { leaf: this.leaf }).catch(() => {});
  }

  // Shows the branch that goes through `id`.
  reveal(id: string): void {
    if (!this.#entries.has(id)) return;
    if (!this.branch.some((entry) => entry.id === id)) this.leaf = newestLeaf(this.children, id);
    this.revealed = { id };
  }

  // The chat goes on from the one that was preferred.
  async vote(winner: Entry, loser: Entry, topic: string, tie: boolean): Promise<void> {
    await this.opinions.addVote(winner.id, loser.id, topic, tie);
    this.leaf = winner.id;
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

  async #answer(question: string, settings: api.ChatSettings = {}): Promise<void> {
    this.failure = null;
    this.isSending = true;
    try {
      this.leaf = question;
      await this.#saving;
      const entry = this.#add(await api.startAnswer(question, settings));
      toasts.announce(t('announce.answering'));
      entry.follow((ended) => this.#onEnded(ended));
    } catch (error) {
      this.failure = { question, error };
    } finally {
      this.isSending = false;
    }
    void this.#refreshChat(); // its title may come of the first message
  }

  // Both at once, in an order that tells nothing.
  async #answerTwice(question: string, rival: string): Promise<void> {
    this.failure = null;
    const wanted = drawTwo(this.model, rival, models.list.map((model) => model.id));
    try {
      const answers = await Promise.all(wanted.map((model) => api.startAnswer(question, { model })));
      const [a, b] = answers;
      if (a && b) pairs.put(question, [a.id, b.id]);
      toasts.announce(t('announce.answering'));
      answers.map((answer) => this.#add(answer)).forEach((entry) => entry.follow((ended) => this.#onEnded(ended)));
    } catch (error) {
      this.failure = { question, error };
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

  #add(message: api.ChatMessage): Entry {
    const entry = this.#entries.get(message.id) ?? new Entry(message);
    this.#entries = new Map(this.#entries).set(message.id, entry);
    this.leaf = message.id;
    return entry;
  }

  readonly #followAll = () => this.#entries.forEach((entry) => entry.follow((ended) => this.#onEnded(ended)));

  async #refreshChat(id = this.chat?.id): Promise<void> {
    if (!id) return;
    try {
      const chat = await api.findChat(id);
      if (this.chat?.id !== id) return;
      this.chat = chat;
      chats.put(chat);
    } catch (error) {
      if (isGone(error) && this.chat?.id === id) this.problem = error; // out of reach: what is shown stays
    }
  }

  async #catchUp(): Promise<void> {
    const before = this.chat?.updated_at;
    await this.#refreshChat();
    if (this.chat?.updated_at !== before && !this.isSending) await this.#reconcile();
  }

  // Another tab has added or ended something.
  async #reconcile(): Promise<void> {
    const id = this.chat?.id;
    if (!id) return;
    const ended = new Set([...this.#entries.values()].filter((entry) => !entry.isRunning));
    const { data } = await api.listMessages(id).catch(() => ({ data: null }));
    if (!data || this.chat?.id !== id || this.isSending) return;
    const entries = merged(this.#entries, data, ended);
    const isAtEnd = this.leaf === null || (this.children.get(this.leaf) ?? []).length === 0;
    this.#entries = entries;
    if (this.leaf && !entries.has(this.leaf)) this.leaf = data.at(-1)?.id ?? null;
    if (isAtEnd && this.leaf) this.leaf = newestLeaf(this.children, this.leaf);
    this.#followAll();
  }
}
