import { describe, expect, it } from 'vitest';
import { ByteText } from './byte_text';
import { fileNameOf, toMarkdown } from './export_chat';
import { ageOf, grouped } from './groups';
import { isSendKey } from './keys';
import { newestTurns, rateOf, transcript } from './shorten';
import { nextLength } from './smooth';
import { fenceOf, isTextFile } from './text_files';
import { branchOf, childrenOf, newestLeaf } from './tree';
import { ratingsOf, wilson } from './ratings';
import { filled, matching, placesOf, triggerAt } from './suggest';
import { guessTopic } from './votes';

describe('ByteText', () => {
  const whole = 'a마루👋🏽é';
  const bytes = new TextEncoder().encode(whole);
  const starts = [...whole].map((_, i, all) => new TextEncoder().encode(all.slice(0, i).join('')).length);

  it('gives the whole text wherever it goes on, and whatever was there behind', () => {
    for (const at of starts) {
      const text = new ByteText(whole);
      text.replaceFrom(at, new TextDecoder().decode(bytes.subarray(at)));
      expect(text.text).toBe(whole);
      expect(text.length).toBe(bytes.length);
      expect(text.after(at)).toBe(new TextDecoder().decode(bytes.subarray(at)));
    }
  });

  it('replaces everything from an offset on', () => {
    const text = new ByteText('old words');
    text.replaceFrom(4, '마루');
    expect(text.text).toBe('old 마루');
    expect(text.length).toBe(10);
    text.replaceFrom(0, '');
    expect(text.length).toBe(0);
  });
});

describe('smooth text', () => {
  it('never shows half a character', () => {
    const text = 'ab👋🏽c👨‍👩‍👧e\u0301한글';
    const whole = new Set(
      [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)].map((one) => one.index),
    ).add(text.length);
    for (let shown = 0; shown < text.length; ) {
      shown = nextLength(text, shown, 1);
      expect(whole).toContain(shown);
    }
  });

  it('is never more than a moment behind', () => {
    const text = 'x'.repeat(5000);
    let shown = 0;
    for (let frame = 0; frame < 120; ++frame) shown = nextLength(text, shown, 16);
    expect(shown).toBe(5000);
    expect(nextLength('short', 9, 16)).toBe(5); // the text was replaced by a shorter one
  });
});

describe('the tree of a chat', () => {
  const nodes = [
    { id: 'q', parent: null },
    { id: 'a1', parent: 'q' },
    { id: 'a2', parent: 'q' },
    { id: 'q2', parent: 'a1' },
    { id: 'edited', parent: null },
  ];
  const byId = new Map(nodes.map((node) => [node.id, node]));

  it('shows one branch', () => {
    expect(branchOf(byId, 'q2').map((node) => node.id)).toEqual(['q', 'a1', 'q2']);
    expect(branchOf(byId, null)).toEqual([]);
    expect(branchOf(byId, 'gone')).toEqual([]);
  });

  it('walks to the newest leaf', () => {
    const children = childrenOf(nodes);
    expect(newestLeaf(children, 'q')).toBe('a2');
    expect(newestLeaf(children, 'a1')).toBe('q2');
    expect(children.get(null)?.map((node) => node.id)).toEqual(['q', 'edited']);
  });

  it('ends where a server errs', () => {
    const loop = new Map([
      ['a', { id: 'a', parent: 'b' }],
      ['b', { id: 'b', parent: 'a' }],
    ]);
    expect(branchOf(loop, 'a')).toHaveLength(2);
    expect(newestLeaf(childrenOf(loop.values()), 'a')).toBeTypeOf('string');
  });
});

describe('the key that sends', () => {
  const enter = { key: 'Enter', shiftKey: false, isComposing: false, keyCode: 13 };
  it('is Enter, not that of an input method', () => {
    expect(isSendKey(enter)).toBe(true);
    expect(isSendKey({ ...enter, shiftKey: true })).toBe(false);
    expect(isSendKey({ ...enter, isComposing: true })).toBe(false);
    expect(isSendKey({ ...enter, keyCode: 229 })).toBe(false);
    expect(isSendKey({ ...enter, key: 'a' })).toBe(false);
  });
});

describe('exports', () => {
  it('have names that every system takes', () => {
    expect(fileNameOf('a/b: "c"?', 'md')).toBe('a b c.md');
    expect(fileNameOf('..', 'json')).toBe('chat.json');
    expect(fileNameOf('회의록', 'md')).toBe('회의록.md');
    expect(fileNameOf('x'.repeat(300), 'md').length).toBeLessThan(70);
  });
  it('say who said what', () => {
    const words = { question: 'Q', answer: 'A', thoughts: 'T', call: (name: string) => `C ${name}`, result: 'R', date: () => 'now' };
    const text = toMarkdown('T', [{ role: 'assistant', content: ' yes \n', model: 'm', created_at: 0 }], words);
    expect(text).toBe('# T\n\n## A (m)\n\n*now*\n\nyes\n');
    const content = '<think>a\nb</think>\n<tool_call>{"name": "f", "arguments": {"a": "```"}}</tool_call>\n<tool_response>c</tool_response>\nyes';
    const steps = toMarkdown('T', [{ role: 'assistant', content, model: null, created_at: 0 }], words);
    expect(steps).toContain('*T*\n\n> a\n> b\n\n*C f*\n\n````json\n{\n  "a": "```"\n}\n````\n\n*R*\n\n```\nc\n```\n\nyes\n');
  });
});

describe('ages of chats', () => {
  const now = new Date(2026, 2, 10, 0, 30).getTime(); // half past midnight
  const at = (...time: [number, number, number, number]) => ({ updated_at: new Date(...time).getTime(), pinned_at: null });
  it('follow the calendar, not hours', () => {
    expect(ageOf(at(2026, 2, 10, 0), now)).toBe('today');
    expect(ageOf(at(2026, 2, 9, 23), now)).toBe('yesterday');
    expect(ageOf(at(2026, 2, 3, 0), now)).toBe('week');
    expect(ageOf(at(2026, 2, 1, 0), now)).toBe('month');
    expect(ageOf(at(2025, 2, 1, 0), now)).toBe('older');
    expect(ageOf({ updated_at: 0, pinned_at: 1 }, now)).toBe('pinned');
    expect(grouped([at(2026, 2, 10, 0), at(2025, 1, 1, 1)], now).map((group) => group.age)).toEqual(['today', 'older']);
  });
});

describe('text files', () => {
  it('are told by type or name', () => {
    expect(isTextFile({ name: 'x', type: 'text/plain' })).toBe(true);
    expect(isTextFile({ name: 'main.rs', type: '' })).toBe(true);
    expect(isTextFile({ name: 'x.png', type: 'image/png' })).toBe(false);
  });
  it('cannot close their fence', () => {
    const text = fenceOf('a.md', 'x\n````\ny');
    expect(text).toBe('a.md\n`````md\nx\n````\ny\n`````');
  });
});

describe('ratings', () => {
  const count = (model: string, over: string, wins: number, ties = 0, topic = 'code') => ({ topic, model, over, wins, ties });

  it("have Wilson's interval", () => {
    // Figures of the formula by hand: 8 of 10, and none of 4.
    expect(wilson(8, 10).low).toBeCloseTo(0.4902, 3);
    expect(wilson(8, 10).high).toBeCloseTo(0.9433, 3);
    expect(wilson(0, 4).low).toBe(0);
    expect(wilson(0, 4).high).toBeCloseTo(0.4899, 3);
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
  });

  it('count ties as half, for both, and only the topic', () => {
    const counts = [count('a', 'b', 3), count('b', 'a', 1), count('a', 'b', 0, 2), count('b', 'c', 5, 0, 'facts')];
    const code = ratingsOf(counts, 'code');
    expect(code.map(({ model, votes, share }) => [model, votes, share])).toEqual([
      ['a', 6, 4 / 6],
      ['b', 6, 2 / 6],
    ]);
    expect(ratingsOf(counts, null).map(({ model, votes }) => [model, votes])).toEqual([
      ['a', 6],
      ['b', 11],
      ['c', 5],
    ]);
    expect(ratingsOf([], null)).toEqual([]);
  });
});

describe('topics', () => {
  it.each([
    ['Fix this:\n```js\nf()\n```', 'code'],
    ['파이썬 함수를 설명해 줘', 'code'],
    ['Translate “hall” into Korean', 'translation'],
    ['이 문장을 영어로 번역해 줘', 'translation'],
    ['What is 17 * 23?', 'reasoning'],
    ['생일 편지를 써 줘', 'writing'],
    ['Who built the palace?', 'facts'],
    ['hm', 'other'],
  ])('%s', (question, topic) => expect(guessTopic(question)).toBe(topic));
});

describe('suggestions', () => {
  it('begin with a sign before the caret', () => {
    expect(triggerAt('/tr', 3)).toEqual({ kind: 'prompt', query: 'tr', begin: 0 });
    expect(triggerAt('/', 1)).toEqual({ kind: 'prompt', query: '', begin: 0 });
    expect(triggerAt('a /tr', 5)).toBeNull();
    expect(triggerAt('/a\nb', 4)).toBeNull();
    expect(triggerAt('ask @pl', 7)).toEqual({ kind: 'model', query: 'pl', begin: 4 });
    expect(triggerAt('ask @pl and', 11)).toBeNull();
    expect(triggerAt('me@example.org', 14)).toBeNull();
  });

  it('are found by any part of the name, beginnings first', () => {
    expect(matching(['retranslate', 'Translate', 'x'], (name) => name, ' trans')).toEqual(['Translate', 'retranslate']);
  });

  it('fill places, and nothing twice', () => {
    const content = 'To {{ who }}: {{what}}, {{who}} {{}} {{a{b}}';
    expect(placesOf(content)).toEqual(['who', 'what']);
    expect(filled(content, new Map([['who', '$& {{what}}'], ['what', 'tea']]))).toBe('To $& {{what}}: tea, $& {{what}} {{}} {{a{b}}');
  });
});

describe('a chat that is too long', () => {
  const turn = (role: string, n: number, tokens: number | null = null) => ({ role, content: 'x'.repeat(n), tokens });

  it('is measured by its last counted answer', () => {
    expect(rateOf([turn('user', 60), turn('assistant', 40, 25), turn('user', 500)])).toBe(0.25);
    expect(rateOf([turn('user', 60)])).toBe(0.5);
  });

  it('keeps the newest turns that fit, from a question on', () => {
    const branch = [turn('user', 900), turn('assistant', 10), turn('user', 20), turn('assistant', 30)];
    expect(newestTurns(branch, 30, 0.5)).toEqual(branch.slice(2));
    expect(newestTurns(branch, 24, 0.5)).toEqual([]); // an answer alone says nothing
    expect(newestTurns(branch, 1000, 0.5)).toEqual(branch);
    expect(newestTurns(branch, -5, 0.5)).toEqual([]);
  });

  it('is summarised from its end', () => {
    expect(transcript([{ role: 'user', content: ' a ' }, { role: 'assistant', content: 'b' }], 100, 0.5)).toBe('user: a\n\nassistant: b');
    expect(transcript([{ role: 'user', content: 'abcdef' }], 2, 0.5)).toBe('cdef');
  });
});
