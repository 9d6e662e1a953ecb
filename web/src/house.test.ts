// The rules of this folder: layers, sizes, words, colours.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import en from './i18n/en.json';
import ko from './i18n/ko.json';
import lateEn from './i18n/late.en.json';
import lateKo from './i18n/late.ko.json';

const SRC = path.resolve(import.meta.dirname);
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.(?:ts|svelte)$/.test(name) && !name.endsWith('.test.ts') && !name.endsWith('openapi.ts'),
);
const read = (name: string) => readFileSync(path.join(SRC, name), 'utf8');

describe('layers', () => {
  // A layer uses those behind it in this list, never one before it.
  const LAYERS = ['routes', 'components', 'stores', 'services', 'i18n', 'lib'];
  it.each(files)('%s imports downwards', (name) => {
    const own = LAYERS.indexOf(name.split(path.sep)[0]!);
    for (const [, target] of read(name).matchAll(/from '(\.[^']*)'|import\('(\.[^']*)'\)/g)) {
      if (!target) continue;
      const layer = LAYERS.indexOf(path.relative(SRC, path.resolve(SRC, path.dirname(name), target)).split(path.sep)[0]!);
      if (own >= 0 && layer >= 0) expect(layer, target).toBeGreaterThanOrEqual(own);
    }
  });
});

describe('sizes', () => {
  it.each(files)('%s is short', (name) => expect(read(name).split('\n').length).toBeLessThan(270));
});

describe('markup', () => {
  it.each(files)('%s makes no elements of text', (name) => {
    expect(read(name)).not.toMatch(/\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\seval\(/);
  });
  it.each(files)('%s names no other host', (name) => {
    expect(read(name)).not.toMatch(/(?:src|href)=["'](?:https?:)?\/\//);
  });
});

describe('words', () => {
  const holes = (text: string) => [...text.matchAll(/\{\w+\}/g)].map((one) => one[0]).sort();

  const pairs: [string, Record<string, string>, Record<string, string>][] = [
    ['of the first page', en, ko],
    ['of later pages', lateEn, lateKo],
  ];
  const all = { ...en, ...lateEn };

  it.each(pairs)('are there in both languages, with the same places for values (%s)', (_, english, korean) => {
    expect(Object.keys(korean).sort()).toEqual(Object.keys(english).sort());
    for (const [key, words] of Object.entries(english)) {
      const others = korean[key]!;
      expect(others.trim(), key).not.toBe('');
      expect([...new Set(holes(others))], key).toEqual([...new Set(holes(words))]);
    }
  });

  it.each(pairs)('are Korean where they should be (%s)', (_, __, korean) => {
    for (const [key, words] of Object.entries(korean)) {
      if (words.replaceAll(/\{\w+\}/g, '').match(/\p{Letter}/u)) expect(words, key).toMatch(/[가-힣]/);
    }
  });

  it('stand in one of the two alone', () => {
    expect(Object.keys(lateEn).filter((key) => key in en)).toEqual([]);
  });

  it('are used, and none is missing', () => {
    const source = files.map(read).join('\n');
    const used = new Set([...source.matchAll(/'([a-z]+\.[a-zA-Z]+)'/g)].map((one) => one[1]!));
    for (const [, key] of source.matchAll(/plural\('([\w.]+)'/g)) used.add(`${key}.one`).add(`${key}.other`);
    expect(Object.keys(all).filter((key) => !used.has(key))).toEqual([]);
    for (const [, key] of source.matchAll(/\bt\('([^']+)'/g)) expect(Object.keys(all)).toContain(key);
  });
});

describe('colours', () => {
  const css = read('styles/themes.css');
  const block = (selector: string) => {
    const begin = css.indexOf(`${selector} {`);
    expect(begin, selector).toBeGreaterThan(-1);
    const body = css.slice(begin, css.indexOf('}', begin));
    return new Map([...body.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map((one) => [one[1]!, one[2]!.trim()]));
  };
  const light = block(':root');
  const themes = {
    light,
    dark: new Map([...light, ...block(":root[data-theme='dark']")]),
    contrast: new Map([...light, ...block(":root[data-theme='contrast']")]),
  };

  it('are the same whether the system or the person wants it dark', () => {
    expect(block(':root:not([data-theme])')).toEqual(block(":root[data-theme='dark']"));
  });

  const luminance = (hex: string) => {
    const part = (at: number) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
  };
  const contrast = (a: string, b: string) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (high + 0.05) / (low + 0.05);
  };
  const GROUNDS = ['--ground', '--side', '--raised', '--bubble', '--hover', '--selected'];
  const pairs: [string, string][] = [
    ...GROUNDS.flatMap((ground): [string, string][] => [
      ['--text', ground],
      ['--muted', ground],
    ]),
    ['--on-accent', '--accent'],
    ['--on-accent', '--accent-strong'],
    ['--on-disabled', '--disabled'],
    ['--danger', '--danger-soft'],
    ['--danger', '--raised'],
    ['--link', '--ground'],
    ...['keyword', 'string', 'number', 'comment', 'title', 'attr'].map((one): [string, string] => [`--hl-${one}`, '--code']),
  ];

  // WCAG 2.2: 4.5 for text (AA), 7 where contrast was asked for (AAA).
  it.each(Object.entries(themes))('are read well (%s)', (name, colours) => {
    for (const [front, ground] of pairs) {
      const value = contrast(colours.get(front)!, colours.get(ground)!);
      expect(value, `${front} on ${ground}`).toBeGreaterThanOrEqual(name === 'contrast' && front === '--text' ? 7 : 4.5);
    }
  });
});
