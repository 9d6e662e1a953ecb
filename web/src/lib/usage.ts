// Days of usage as series for a chart and sums for a table.

export interface UsageResult {
  model?: string | null;
  user_id?: string | null;
  project_id?: string | null;
  input_tokens?: number;
  output_tokens?: number;
  input_cached_tokens?: number;
  num_model_requests?: number;
  maru?: { cost: { value: number; currency: string }; timed_requests: number; first_token_ms: number; total_ms: number };
}
export interface UsageDay {
  start_time: number; // unix seconds
  results: UsageResult[];
}

export interface Sum {
  requests: number;
  tokensIn: number;
  tokensCached: number;
  tokensOut: number;
  cost: number;
  timed: number;
  firstTokenMs: number; // sums over timed requests
  totalMs: number;
}

export const noUsage = (): Sum => ({
  requests: 0,
  tokensIn: 0,
  tokensCached: 0,
  tokensOut: 0,
  cost: 0,
  timed: 0,
  firstTokenMs: 0,
  totalMs: 0,
});

function add(sum: Sum, result: UsageResult): void {
  sum.requests += result.num_model_requests ?? 0;
  sum.tokensIn += result.input_tokens ?? 0;
  sum.tokensCached += result.input_cached_tokens ?? 0;
  sum.tokensOut += result.output_tokens ?? 0;
  sum.cost += result.maru?.cost.value ?? 0;
  sum.timed += result.maru?.timed_requests ?? 0;
  sum.firstTokenMs += result.maru?.first_token_ms ?? 0;
  sum.totalMs += result.maru?.total_ms ?? 0;
}

export type Measure = 'tokens' | 'money' | 'requests' | 'latency';
// Null where there is nothing to measure.
export function valueOf(sum: Sum, measure: Measure): number | null {
  if (measure === 'tokens') return sum.tokensIn + sum.tokensOut;
  if (measure === 'money') return sum.cost;
  if (measure === 'requests') return sum.requests;
  return sum.timed > 0 ? sum.firstTokenMs / sum.timed : null;
}

export interface Series {
  id: string;
  total: Sum;
  days: Sum[];
}

// One series for each name that `namesOf` gives a result (a person may be in several groups), the
// one with the most tokens first.
export function seriesOf(days: UsageDay[], namesOf: (result: UsageResult) => string[]): Series[] {
  const all = new Map<string, Series>();
  days.forEach((day, at) => {
    for (const result of day.results) {
      for (const id of namesOf(result)) {
        let series = all.get(id);
        if (!series) all.set(id, (series = { id, total: noUsage(), days: days.map(noUsage) }));
        add(series.total, result);
        add(series.days[at]!, result);
      }
    }
  });
  const size = (series: Series) => series.total.tokensIn + series.total.tokensOut;
  return [...all.values()].sort((a, b) => size(b) - size(a) || a.id.localeCompare(b.id));
}

export function currencyOf(days: UsageDay[]): string {
  for (const day of days) for (const result of day.results) if (result.maru) return result.maru.cost.currency;
  return 'usd';
}

// A round number at or above `most`, for the top of an axis.
export function niceTop(most: number): number {
  if (!(most > 0)) return 1;
  const step = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * step).find((top) => top >= most * (1 - 1e-9))!;
}
