// What of a chat still fits into a model's context, when all of it does not any more.
export interface Turn {
  role: string;
  content: string;
}

const DEFAULT_RATE = 0.5; // tokens per character, where nothing was counted: safe for Hangul as for Latin

// Tokens per character, as the last counted answer had them.
export function rateOf(branch: (Turn & { tokens: number | null })[]): number {
  const last = branch.findLastIndex((turn) => turn.tokens !== null);
  const letters = branch.slice(0, last + 1).reduce((sum, turn) => sum + turn.content.length, 0);
  return last >= 0 && letters > 0 ? Math.max(0.1, branch[last]!.tokens! / letters) : DEFAULT_RATE;
}

// The newest turns that take at most `tokens`; they begin with a question.
export function newestTurns<T extends Turn>(branch: T[], tokens: number, rate: number): T[] {
  let begin = branch.length;
  for (let left = tokens; begin > 0; --begin) {
    left -= branch[begin - 1]!.content.length * rate;
    if (left < 0) break;
  }
  const kept = branch.slice(begin);
  const first = kept.findIndex((turn) => turn.role === 'user');
  return first < 0 ? [] : kept.slice(first);
}

// The chat as a text to be summarised: its end, in as many letters as fit.
export function transcript(branch: Turn[], tokens: number, rate: number): string {
  const whole = branch.map((turn) => `${turn.role}: ${turn.content.trim()}`).join('\n\n');
  return whole.slice(-Math.floor(tokens / rate));
}
