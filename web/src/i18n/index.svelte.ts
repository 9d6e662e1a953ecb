// The words of the page in the person's language. en.json says which keys there are.
import en from './en.json';
import ko from './ko.json';

export type Key = keyof typeof en;
export type Language = 'en' | 'ko';
const dictionaries: Record<Language, Record<Key, string>> = { en, ko };

export function preferredLanguage(): Language {
  const wanted = document.documentElement.lang || navigator.language;
  return wanted.startsWith('ko') ? 'ko' : 'en';
}

let current = $state<Language>(preferredLanguage());

export function language(): Language {
  return current;
}

export function setLanguage(wanted: Language): void {
  current = wanted;
  document.documentElement.lang = wanted;
}

// "{name}" in the words is replaced by its value.
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return dictionaries[current][key].replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in values ? String(values[name]) : whole,
  );
}

// Words for a count: "key.one" or "key.other" as the language has it.
export function plural(key: string, n: number): string {
  const rule = new Intl.PluralRules(current).select(n);
  const exact = `${key}.${rule}` as Key;
  return t(exact in en ? exact : (`${key}.other` as Key), { n: number(n) });
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(current, { maximumFractionDigits: digits }).format(value);
}

// `share`: of one.
export function percent(share: number): string {
  return new Intl.NumberFormat(current, { style: 'percent' }).format(share);
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
export function bytes(n: number): string {
  const step = n > 0 ? Math.min(UNITS.length - 1, Math.floor(Math.log10(n) / 3)) : 0;
  return new Intl.NumberFormat(current, {
    style: 'unit',
    unit: UNITS[step]!,
    unitDisplay: step === 0 ? 'narrow' : 'short', // Korean's short one of bytes is the English word
    maximumFractionDigits: 1,
  }).format(n / 1000 ** step);
}

// "in 40 seconds", "in 15 minutes".
export function soon(seconds: number): string {
  const [value, unit] = seconds < 90 ? [seconds, 'second' as const] : [seconds / 60, 'minute' as const];
  return new Intl.RelativeTimeFormat(current).format(Math.max(1, Math.ceil(value)), unit);
}

const dateTimes = new Map<string, Intl.DateTimeFormat>(); // making one takes a while

export function dateTime(time: number): string {
  let format = dateTimes.get(current);
  if (!format) dateTimes.set(current, (format = new Intl.DateTimeFormat(current, { dateStyle: 'medium', timeStyle: 'short' })));
  return format.format(time);
}

export function duration(ms: number): string {
  const [value, unit] = ms < 1000 ? [ms, 'millisecond'] : [ms / 1000, 'second'];
  return new Intl.NumberFormat(current, {
    style: 'unit',
    unit,
    unitDisplay: 'short',
    maximumFractionDigits: unit === 'second' && value < 10 ? 1 : 0,
  }).format(value);
}

// `currency` as the settings have it: "usd". What is no currency stands behind the number.
export function money(value: number, currency: string): string {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: value !== 0 && Math.abs(value) < 0.01 ? 6 : 2 };
  try {
    return new Intl.NumberFormat(current, { style: 'currency', currency, ...digits }).format(value);
  } catch {
    return `${new Intl.NumberFormat(current, digits).format(value)} ${currency}`;
  }
}
