// Shows what comes in jumps as an even flow: each frame a share of what is waiting, so that the
// page is never more than a moment behind however fast the words come.
const CATCH_UP_MS = 160;

// How many UTF-16 units of `text` to show, `elapsed` ms after `shown` of them were. Never parts of
// a character, or of an emoji made of several.
export function nextLength(text: string, shown: number, elapsed: number): number {
  const waiting = text.length - shown;
  if (waiting <= 0) return text.length;
  let next = Math.min(text.length, shown + Math.max(1, Math.ceil((waiting * elapsed) / CATCH_UP_MS)));
  while (next < text.length && joins(text, next)) ++next;
  return next;
}

function joins(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code >= 0xdc00 && code <= 0xdfff) return true; // the second half of a pair
  if (code === 0x200d || text.charCodeAt(at - 1) === 0x200d) return true;
  return /^\p{M}/u.test(text.slice(at, at + 2)) || /^[\u{1f3fb}-\u{1f3ff}]/u.test(text.slice(at, at + 2));
}
