// Which part of a long branch is shown, and whether the view goes along with what is written.
export interface Part {
  count: number; // messages up to the end
  end: number | null; // behind the last one; null: the branch's own end, wherever it comes to be
}

export const LAST: Part = { count: 40, end: null };
export const ALL: Part = { count: Infinity, end: null };
const STEP = 60;
const BEFORE = 15; // around a message that one comes to
const AFTER = 30;

export function rangeOf(part: Part, total: number): { begin: number; end: number } {
  const end = Math.min(part.end ?? total, total);
  return { begin: Math.max(0, end - part.count), end };
}

export function withEarlier(part: Part): Part {
  return { ...part, count: part.count + STEP };
}

export function withLater(part: Part, total: number): Part {
  const { begin, end } = rangeOf(part, total);
  return upTo(begin, end + STEP, total);
}

export function around(index: number, total: number): Part {
  return upTo(Math.max(0, index - BEFORE), index + AFTER, total);
}

function upTo(begin: number, end: number, total: number): Part {
  return end >= total ? { count: total - begin, end: null } : { count: end - begin, end };
}

export interface View {
  top: number; // pixels
  left: number; // below what is seen
}

export const NEAR = 80; // pixels from the end that count as the end for who scrolls down

// After a scroll: the least step upwards is the reader's wish to stay there, the end takes them along again.
export function followsAfter(followed: boolean, before: View, now: View): boolean {
  if (now.left <= 2) return true;
  if (now.top < before.top) return false;
  return now.top > before.top && now.left < NEAR ? true : followed;
}
