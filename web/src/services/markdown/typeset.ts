// Loaded with the first formula, not with the page.
import katex from 'katex';
import 'katex/dist/katex.min.css';

const LONGEST = 10_000;

// Replaces the source inside of `element` by the typeset formula; what is no formula stays as it
// was written. Nothing that a formula can say makes a link, loads anything or grows without bound.
export function typeset(source: string, element: HTMLElement, display: boolean): void {
  if (source.length > LONGEST) return;
  const typeset = document.createElement('span');
  try {
    katex.render(source, typeset, {
      displayMode: display,
      output: 'html', // the element says its source to screen readers
      throwOnError: true,
      strict: 'ignore',
      trust: false,
      maxSize: 40,
      maxExpand: 500,
    });
    element.replaceChildren(...typeset.childNodes);
  } catch {
    element.classList.add('math-wrong');
  }
}
