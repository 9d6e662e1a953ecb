// What the person has said of the answers of one chat: thumbs with reasons, and votes.
import * as api from '../services/api';

export const REASONS = {
  up: ['correct', 'clear', 'complete', 'style'],
  down: ['wrong', 'incomplete', 'ignored', 'language', 'style', 'harmful'],
} as const;
export type Thumb = keyof typeof REASONS;

export class Opinions {
  #thumbs = $state.raw(new Map<string, api.Feedback>());
  #votes = $state.raw<api.Feedback[]>([]);

  async load(chat: string): Promise<void> {
    const { data } = await api.listFeedback(chat);
    this.#thumbs = new Map(data.filter((one) => one.kind === 'thumb').map((one) => [one.message, one]));
    this.#votes = data.filter((one) => one.kind === 'vote');
  }

  thumb(message: string): api.Feedback | undefined {
    return this.#thumbs.get(message);
  }

  // The last one counts.
  vote(a: string, b: string): api.Feedback | undefined {
    return this.#votes.findLast(
      ({ message, detail }) => (message === a && detail.over === b) || (message === b && detail.over === a),
    );
  }

  async setThumb(message: string, thumb: Thumb, reasons: string[] = [], comment = ''): Promise<void> {
    const given = await api.addFeedback({ message, kind: 'thumb', thumb, reasons, ...(comment ? { comment } : {}) });
    this.#thumbs = new Map(this.#thumbs).set(message, given);
  }

  async takeBack(message: string): Promise<void> {
    const given = this.#thumbs.get(message);
    if (!given) return;
    await api.removeFeedback(given.id);
    const thumbs = new Map(this.#thumbs);
    thumbs.delete(message);
    this.#thumbs = thumbs;
  }

  async addVote(message: string, over: string, topic: string, tie: boolean): Promise<void> {
    this.#votes = [...this.#votes, await api.addFeedback({ message, kind: 'vote', over, topic, tie })];
  }
}
