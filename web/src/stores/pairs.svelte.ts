// Which answers of this browser were asked for side by side: by question, the two in the order in
// which they are shown. Elsewhere they are two versions of one answer.
import { itemKeys, readItem, writeItem } from '../services/storage';

const MOST = 200;

class Pairs {
  #list = $state.raw(new Map<string, [string, string]>());

  constructor() {
    for (const key of itemKeys('pair.')) {
      const [a, b] = (readItem(key) ?? '').split(' ');
      if (a && b) this.#list.set(key.slice('pair.'.length), [a, b]);
    }
  }

  find(question: string): [string, string] | undefined {
    return this.#list.get(question);
  }

  put(question: string, pair: [string, string]): void {
    const keys = itemKeys('pair.');
    keys.slice(0, Math.max(0, keys.length - MOST + 1)).forEach((key) => writeItem(key, null));
    writeItem(`pair.${question}`, pair.join(' '));
    this.#list = new Map(this.#list).set(question, pair);
  }
}

export const pairs = new Pairs();
