// The sentences for what the server refuses (docs/web.md): by its reason, with its values. This file
// is loaded with the first error.
import en from './errors.en.json';
import ko from './errors.ko.json';
import { bytes, dateTime, language, number, soon } from './index.svelte';

export type Values = Record<string, string | number>;
export interface Told {
  message: string; // the server's own words, English
  reason?: string | null | undefined;
  values?: Values | undefined;
}
// `detail` stands below in small type: where the sentence is a general one.
export interface Words {
  text: string;
  detail: string;
}
export interface Dictionary {
  general: Record<string, string>;
  known: Record<string, string>;
  nouns: Record<string, string>;
}
const dictionaries: Record<string, Dictionary> = { en, ko };

const HOUR_MS = 3_600_000;
const until = (time: number) => {
  const left = time - Date.now();
  return left > 0 && left < HOUR_MS ? soon(left / 1000) : dateTime(time);
};

// "{n}" is a number or a name, "{n:bytes}" a number in that form, "{n:noun}" a word of ours.
function fill(sentence: string, values: Values, nouns: Record<string, string>): string {
  const noun = (name: string) => nouns[name.slice(name.lastIndexOf('.') + 1)] ?? name;
  const filled = sentence.replace(/\{(\w+)(?::(\w+))?\}/g, (whole, name: string, form?: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    if (form === 'noun') return noun(String(value));
    if (typeof value === 'string') return value;
    if (form === 'bytes') return bytes(value);
    if (form === 'until') return until(value);
    if (form === 'in') return soon(value);
    return number(value, 2);
  });
  return withParticles(filled);
}

// Korean particles depend on whether the syllable before them, quoted or not, ends in a consonant.
const PARTICLES = /(?<=([가-힣])[’”'"」』]?)(은\(는\)|이\(가\)|을\(를\))/g;
export function withParticles(text: string): string {
  return text.replace(PARTICLES, (pair: string, before: string) => {
    const isClosed = (before.codePointAt(0)! - 0xac00) % 28 !== 0;
    return isClosed ? pair[0]! : pair[2]!;
  });
}

export function wordsOf({ reason, message, values = {} }: Told): Words {
  const { known, general, nouns } = dictionaries[language()]!;
  const own = reason ? known[reason] : undefined;
  if (own !== undefined) return { text: fill(own, values, nouns), detail: '' };
  return { text: general[reason ?? ''] ?? general['internal']!, detail: message };
}
