interface Counted {
  at: number; // unix milliseconds
  tokens: { prompt: number; cached: number; new: number };
}

// Tokens per second between two answers of the server; those of the cache cost it nothing. Null
// where nothing can be said: the same moment, or a server that began anew.
export function speedBetween(before: Counted, now: Counted, kind: 'prompt' | 'new'): number | null {
  const count = ({ tokens }: Counted) => (kind === 'new' ? tokens.new : tokens.prompt - tokens.cached);
  const seconds = (now.at - before.at) / 1000;
  const n = count(now) - count(before);
  return seconds > 0 && n >= 0 ? n / seconds : null;
}
