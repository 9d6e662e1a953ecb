// Loaded with the first formula, not with the page.
import katex from 'katex';
import 'katex/dist/katex.min.css';

const LONGEST = 10_000;

// Replaces the source inside of `element` by the typeset formula. Nothing that a formula can say
// makes a link, loads anything or grows without bound.
export function typeset(source: string, element: HTMLElement, display: boolean): void {
  if (source.length > LONGEST) return;
  katex.render(source, element, {
    displayMode: display,
    throwOnError: false,
    strict: 'ignore',
    trust: false,
    maxSize: 40,
    maxExpand: 500,
  });
}
