// Shows a text that grows as Markdown inside of an element. Blocks that have not changed keep their
// nodes, and while the text only grows, no more than its last blocks are parsed again: the work of
// a step does not grow with the answer.
import { nodesOf, type Labels } from './dom';
import { parseBlocks, type Block } from './parse';

interface Shown {
  html: string;
  isFinal: boolean;
  nodes: Node[];
}

export class MarkdownView {
  #root: HTMLElement;
  #labels: Labels;
  #shown: Shown[] = [];
  #text = '';
  // Blocks before this one are settled: they end before line `#settledLine` of the text.
  #settled = 0;
  #settledAt = 0;

  constructor(root: HTMLElement, labels: Labels) {
    this.#root = root;
    this.#labels = labels;
  }

  // `isEnded`: no more follows.
  update(text: string, isEnded: boolean): void {
    const grows = !isEnded && text.startsWith(this.#text);
    const at = grows ? this.#settledAt : 0;
    const first = grows ? this.#settled : 0;
    const tail = text.slice(at);
    const blocks = parseBlocks(tail);
    this.#show(blocks, first, isEnded);
    this.#text = text;
    this.#settle(blocks, first, at, tail);
  }

  #show(blocks: Block[], first: number, isEnded: boolean): void {
    blocks.forEach((block, i) => {
      const isFinal = isEnded || i < blocks.length - 1;
      const old = this.#shown[first + i];
      if (old && old.html === block.html && old.isFinal === isFinal) return;
      const nodes = nodesOf(block, this.#labels, isFinal);
      const behind = old ? (old.nodes.at(-1)?.nextSibling ?? null) : null;
      old?.nodes.forEach((node) => this.#root.removeChild(node));
      nodes.forEach((node) => this.#root.insertBefore(node, behind));
      this.#shown[first + i] = { html: block.html, isFinal, nodes };
    });
    const surplus = this.#shown.splice(first + blocks.length);
    surplus.forEach((gone) => gone.nodes.forEach((node) => this.#root.removeChild(node)));
  }

  // The last two blocks may still become one (a list, a table, a heading by underlining).
  #settle(blocks: Block[], first: number, at: number, tail: string): void {
    const n = Math.max(0, blocks.length - 2);
    this.#settled = first + n;
    this.#settledAt = at + lineStart(tail, blocks[n]?.begin ?? 0);
  }
}

function lineStart(text: string, line: number): number {
  let at = 0;
  for (let i = 0; i < line; ++i) at = text.indexOf('\n', at) + 1;
  return at;
}
