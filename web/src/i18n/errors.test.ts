// Every reason that docs/api/openapi.json lists has its sentence in both languages, with its values.
import { afterEach, describe, expect, it } from 'vitest';
import openapi from '../../../docs/api/openapi.json';
import { REASONS } from '../services/http';
import en from './errors.en.json';
import ko from './errors.ko.json';
import { wordsOf, withParticles, type Dictionary } from './error_words';
import { setLanguage } from './index.svelte';

const { enum: reasons, 'x-values': named } = openapi.components.schemas.ErrorReason;
const valuesOf = named as Record<string, string[]>;
const languages: [string, Dictionary][] = [
  ['English', en],
  ['Korean', ko],
];
const holes = (text: string) => [...new Set([...text.matchAll(/\{(\w+)(?::\w+)?\}/g)].map((one) => one[1]!))].sort();

afterEach(() => setLanguage('en'));

describe.each(languages)('the words for errors in %s', (name, dictionary) => {
  it('are there for each reason, and for no other', () => {
    const kinds = new Set([...reasons.filter((one) => !(one in dictionary.known)), ...Object.values(REASONS)]);
    expect(Object.keys(dictionary.general).sort()).toEqual([...kinds].sort());
    expect(Object.keys(dictionary.known).filter((one) => !reasons.includes(one))).toEqual([]);
  });

  it('name the values that come with the reason, all of them', () => {
    for (const [reason, text] of Object.entries(dictionary.known)) {
      expect(holes(text), reason).toEqual([...(valuesOf[reason] ?? [])].sort());
    }
    for (const text of Object.values(dictionary.general)) expect(holes(text)).toEqual([]);
  });

  it('use forms that there are', () => {
    for (const [, form] of Object.values(dictionary.known).join().matchAll(/\{\w+:(\w+)\}/g)) {
      expect(['bytes', 'in', 'noun', 'until']).toContain(form);
    }
  });

  it('leave no place empty', () => {
    setLanguage(name === 'Korean' ? 'ko' : 'en');
    for (const reason of reasons) {
      const values = Object.fromEntries((valuesOf[reason] ?? []).map((one, i) => [one, i + 1]));
      const { text } = wordsOf({ reason, message: 'in English', values });
      expect(text, reason).not.toMatch(/[{}]/);
      expect(text, reason).toMatch(name === 'Korean' ? /[가-힣]/ : /^[^가-힣]+$/);
    }
  });
});

it('both languages know the same words', () => {
  for (const part of ['general', 'known', 'nouns'] as const) {
    expect(Object.keys(ko[part])).toEqual(Object.keys(en[part]));
  }
});

describe('a sentence', () => {
  const say = (language: 'en' | 'ko', reason: string, values = {}) => {
    setLanguage(language);
    return wordsOf({ reason, message: 'the server says', values });
  };

  it('has numbers, sizes and times in the language of the person', () => {
    expect(say('en', 'model_too_big', { needed: 41_300_000_000, free: 9_000_000_000 }).text).toContain('needs 41.3 GB, 9 GB');
    expect(say('ko', 'context_full', { context: 2048, needed: 31_500 }).text).toContain('한도는 2,048토큰인데 31,500토큰이');
    expect(say('en', 'too_many_logins', { seconds: 42 }).text).toContain('in 42 seconds');
    expect(say('ko', 'too_many_logins', { seconds: 900 }).text).toContain('15분 후');
    const again = Date.UTC(2100, 0, 1, 12);
    expect(say('ko', 'limit_month_money', { who: 'group', again }).text).toMatch(/그룹 예산을 .* 2100\. 1\. /);
    expect(say('en', 'limit_requests', { who: 'user', limit: 5, again: Date.now() + 30_000 }).text).toContain('in 30 seconds');
  });

  it('names things by words of its own', () => {
    expect(say('en', 'gone', { what: 'chat' }).text).toBe('This chat is not there. It may have been deleted.');
    expect(say('ko', 'gone', { what: 'chat' }).text).toBe('대화를 찾을 수 없습니다. 삭제되었을 수 있습니다.');
    expect(say('ko', 'text_length', { field: 'messages[3].content', min: 1, max: 5, n: 9 }).text).toMatch(/^내용은 /);
    expect(say('en', 'gone', { what: 'gadget' }).text).toContain('gadget'); // of a newer server
  });

  it('has the server’s words below it only where it is a general one', () => {
    expect(say('ko', 'login_wrong').detail).toBe('');
    expect(say('ko', 'internal')).toEqual({ text: ko.general.internal, detail: 'the server says' });
    expect(say('ko', 'of a newer server')).toEqual({ text: ko.general.internal, detail: 'the server says' });
  });

  it('has the particles that the syllable before asks for', () => {
    expect(withParticles('제목은(는) 메모리이(가) 폴더을(를) 키은(는) 파일을(를) GGUF이(가)')).toBe(
      '제목은 메모리가 폴더를 키는 파일을 GGUF이(가)',
    );
    expect(withParticles('‘마루’은(는) “한글”이(가) ‘GGUF’은(는)')).toBe('‘마루’는 “한글”이 ‘GGUF’은(는)');
  });
});
