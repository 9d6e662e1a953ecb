import { describe, expect, it } from 'vitest';
import { around, followsAfter, LAST, rangeOf, withEarlier, withLater } from './reading';

describe('the part of a chat that is shown', () => {
  it('is its end, which grows with it', () => {
    expect(rangeOf(LAST, 10)).toEqual({ begin: 0, end: 10 });
    expect(rangeOf(LAST, 100)).toEqual({ begin: 60, end: 100 });
    expect(rangeOf(withEarlier(LAST), 101)).toEqual({ begin: 1, end: 101 });
  });

  it('is a few messages around the one that one comes to', () => {
    const { begin, end } = rangeOf(around(20, 5000), 5000);
    expect(begin).toBeLessThanOrEqual(20);
    expect(end).toBeGreaterThan(20);
    expect(end - begin).toBeLessThan(60);
    expect(rangeOf(around(3, 5), 5)).toEqual({ begin: 0, end: 5 });
  });

  it('reaches the end again step by step, and stays there', () => {
    let part = around(20, 120);
    const { begin } = rangeOf(part, 120);
    for (let i = 0; i < 3 && part.end !== null; ++i) part = withLater(part, 120);
    expect(part.end).toBeNull();
    expect(rangeOf(part, 120)).toEqual({ begin, end: 120 });
  });
});

describe('what is written', () => {
  const at = (top: number, left: number) => ({ top, left });

  it('is followed at the end, and no more after the least step upwards', () => {
    expect(followsAfter(true, at(900, 0), at(930, 1))).toBe(true);
    expect(followsAfter(true, at(930, 0), at(920, 40))).toBe(false);
    expect(followsAfter(false, at(920, 40), at(920, 140))).toBe(false); // it grows meanwhile
  });

  it('is followed again once the reader comes back near to it', () => {
    expect(followsAfter(false, at(500, 400), at(700, 200))).toBe(false);
    expect(followsAfter(false, at(700, 200), at(830, 70))).toBe(true);
  });
});
