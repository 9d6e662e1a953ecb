// Where in a text a mark may stand: not in code, and not behind a backslash.
const FENCE = /^[\s>]*(?:(?:[-*+]|\d+[.)])\s+)*(`{3,}|~{3,})/;

function closesFence(line: string, fence: string): boolean {
  const found = /^[\s>]*(`{3,}|~{3,})\s*$/.exec(line)?.[1];
  return found !== undefined && found[0] === fence[0] && found.length >= fence.length;
}

// Where words are next, asked for ever further on. One that is not there is looked for once.
export class Finder {
  readonly content: string;
  #found = new Map<string, number>();

  constructor(content: string) {
    this.content = content;
  }

  // The end, if there is none.
  next(word: string, from: number): number {
    const known = this.#found.get(word) ?? -1;
    if (known >= from) return known;
    const at = this.content.indexOf(word, from);
    this.#found.set(word, at < 0 ? this.content.length : at);
    return at < 0 ? this.content.length : at;
  }
}

// Every place from `from` on where a mark may stand, in order, and whether its line begins with it.
export function* places(finder: Finder, from: number): Generator<[number, boolean]> {
  const { content } = finder;
  let fence = '';
  for (let begin = from; begin < content.length; ) {
    const end = finder.next('\n', begin);
    const line = content.slice(begin, end);
    const opened = fence ? undefined : FENCE.exec(line)?.[1];
    if (fence) {
      if (closesFence(line, fence)) fence = '';
    } else if (opened && !(opened[0] === '`' && line.slice(line.indexOf(opened) + opened.length).includes('`'))) {
      fence = opened;
    } else {
      const first = line.search(/\S/);
      for (const at of placesOfLine(line)) yield [begin + at, at === first];
    }
    begin = end + 1;
  }
}

function* placesOfLine(line: string): Generator<number> {
  const next = /`+|\\[^]|[<[]/g;
  for (let found = next.exec(line); found; found = next.exec(line)) {
    const word = found[0];
    if (word === '<' || word === '[') yield found.index;
    if (word[0] !== '`') continue;
    const runs = /`+/g;
    runs.lastIndex = next.lastIndex;
    let close = runs.exec(line);
    while (close && close[0].length !== word.length) close = runs.exec(line);
    if (!close) return; // it may still be closed
    next.lastIndex = runs.lastIndex;
  }
}
