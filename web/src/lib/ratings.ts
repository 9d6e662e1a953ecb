// How models did in blind votes: the share of votes won, a tie as half of one, with Wilson's score
// interval of 95 % (E. B. Wilson, JASA 22, 1927), which is honest for few votes too.
export interface VoteCount {
  topic: string;
  model: string;
  over: string;
  wins: number;
  ties: number;
}

export interface Rating {
  model: string;
  votes: number;
  share: number; // 0..1
  low: number;
  high: number;
}

const Z = 1.959964; // of 95 %

export function wilson(won: number, votes: number): { low: number; high: number } {
  if (votes === 0) return { low: 0, high: 1 };
  const share = won / votes;
  const z2 = (Z * Z) / votes;
  const middle = (share + z2 / 2) / (1 + z2);
  const half = (Z / (1 + z2)) * Math.sqrt((share * (1 - share)) / votes + z2 / (4 * votes));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

// The best first. `topic`: only votes on it; null: all.
export function ratingsOf(counts: VoteCount[], topic: string | null): Rating[] {
  const sums = new Map<string, { won: number; votes: number }>();
  const add = (model: string, won: number, votes: number) => {
    const sum = sums.get(model) ?? { won: 0, votes: 0 };
    sums.set(model, { won: sum.won + won, votes: sum.votes + votes });
  };
  for (const count of counts) {
    if (topic !== null && count.topic !== topic) continue;
    add(count.model, count.wins + count.ties / 2, count.wins + count.ties);
    add(count.over, count.ties / 2, count.wins + count.ties);
  }
  return [...sums]
    .map(([model, { won, votes }]) => ({ model, votes, share: won / votes, ...wilson(won, votes) }))
    .sort((a, b) => b.share - a.share || b.votes - a.votes || a.model.localeCompare(b.model));
}
