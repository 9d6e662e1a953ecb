// Words and forms of the pages that are loaded when they are first opened.
import { language, t as early, type Key, type Language } from './index.svelte';
import en from './late.en.json';
import ko from './late.ko.json';

export { bytes, money } from './index.svelte';

export type LateKey = keyof typeof en;
const dictionaries: Record<Language, Record<LateKey, string>> = { en, ko };

export function t(key: Key | LateKey, values: Record<string, string | number> = {}): string {
  const words = dictionaries[language()][key as LateKey];
  if (words === undefined) return early(key as Key, values);
  return words.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

export function day(time: number): string {
  return new Intl.DateTimeFormat(language(), { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(time);
}

export function wait(ms: number): string {
  const isShort = ms < 1000;
  return new Intl.NumberFormat(language(), {
    style: 'unit',
    unit: isShort ? 'millisecond' : 'second',
    unitDisplay: 'short',
    maximumFractionDigits: isShort ? 0 : 1,
  }).format(isShort ? ms : ms / 1000);
}

export function compact(value: number): string {
  return new Intl.NumberFormat(language(), { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}
