import { describe, expect, it } from 'vitest';
import { speedBetween } from './health';
import { niceTop, seriesOf, valueOf } from './usage';

describe('usage', () => {
  const result = (model: string, user: string, n: number) => ({
    model,
    user_id: user,
    input_tokens: n,
    output_tokens: 1,
    input_cached_tokens: 0,
    num_model_requests: 1,
    maru: { cost: { value: n / 10, currency: 'usd' }, timed_requests: 1, first_token_ms: n, total_ms: 2 * n },
  });
  const days = [
    { start_time: 0, results: [result('a', 'ann', 10), result('b', 'bob', 20)] },
    { start_time: 86_400, results: [] },
    { start_time: 172_800, results: [result('a', 'bob', 40)] },
  ];

  it('is parted by name and day, the largest first', () => {
    const series = seriesOf(days, (one) => [one.model!]);
    expect(series.map((one) => [one.id, one.days.map((sum) => sum.tokensIn)])).toEqual([
      ['a', [10, 0, 40]],
      ['b', [20, 0, 0]],
    ]);
    expect(series[0]!.total).toMatchObject({ requests: 2, tokensIn: 50, tokensOut: 2, cost: 5, firstTokenMs: 50 });
  });

  it('counts a person in each of the groups', () => {
    const groups: Record<string, string[]> = { ann: ['x', 'y'], bob: ['y'] };
    const series = seriesOf(days, (one) => groups[one.user_id!]!);
    expect(series.map((one) => [one.id, one.total.tokensIn])).toEqual([
      ['y', 70],
      ['x', 10],
    ]);
  });

  it('has means where something was timed', () => {
    const [all] = seriesOf(days, () => ['all']);
    expect(valueOf(all!.total, 'latency')).toBeCloseTo(70 / 3);
    expect(valueOf(all!.days[1]!, 'latency')).toBeNull();
    expect(valueOf(all!.days[1]!, 'tokens')).toBe(0);
    expect(valueOf(all!.days[2]!, 'money')).toBe(4);
  });

  it('ends its axis at a round number', () => {
    expect([0, 1, 1.2, 43, 251, 0.3, 999].map(niceTop)).toEqual([1, 1, 2, 50, 500, 0.5, 1000]);
  });
});

describe('health', () => {
  const at = (ms: number, prompt: number, cached: number, made: number) => ({ at: ms, tokens: { prompt, cached, new: made } });
  it('is the difference of two answers', () => {
    expect(speedBetween(at(1000, 10, 0, 5), at(3000, 110, 40, 25), 'new')).toBe(10);
    expect(speedBetween(at(1000, 10, 0, 5), at(3000, 110, 40, 25), 'prompt')).toBe(30);
    expect(speedBetween(at(1000, 10, 0, 5), at(1000, 10, 0, 5), 'new')).toBeNull();
    expect(speedBetween(at(1000, 10, 0, 50), at(3000, 0, 0, 0), 'new')).toBeNull();
  });
});
