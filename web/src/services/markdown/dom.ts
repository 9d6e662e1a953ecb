// What our own hand adds to the sanitised nodes of one block: hosts of links, a bar with a copy
// button over code, colours, typeset formulas. Built by createElement, never from text.
import { hostOf, sanitize } from './sanitize';
import type { Block } from './parse';

export interface Labels {
  copy: string;
  code: string;
  image: string;
  formula: string;
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, text = ''): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

// A link tells where it leads. One that leads nowhere of the web becomes its words.
function dressLink(link: HTMLAnchorElement, labels: Labels): void {
  const host = hostOf(link.getAttribute('href') ?? '');
  const isImage = link.classList.contains('remote-image');
  if (host === null) {
    const words = document.createElement('span');
    words.append(...link.childNodes);
    link.replaceWith(words);
    return;
  }
  if (isImage) link.prepend(`${labels.image}${link.textContent ? ': ' : ''}`);
  const words = link.textContent ?? '';
  const plain = /^(?:https?:\/\/|mailto:)?([^/]*)/i.exec(words)?.[1] ?? '';
  link.className = isImage ? 'remote-image' : '';
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow';
  if (plain.toLowerCase() !== host.toLowerCase()) link.append(make('span', 'link-host', host));
}

function languageOf(code: Element): string {
  return /(?:^|\s)language-([\w+#-]+)/.exec(code.className)?.[1] ?? '';
}

function dressCode(pre: HTMLPreElement, labels: Labels, isFinal: boolean): void {
  const code = pre.firstElementChild ?? pre;
  const language = languageOf(code);
  const box = make('div', 'code');
  const bar = make('div', 'code-bar');
  const button = make('button', 'code-copy', labels.copy);
  button.type = 'button';
  bar.append(make('span', 'code-language', language || labels.code), button);
  pre.replaceWith(box);
  box.append(bar, pre);
  pre.tabIndex = 0; // wide code is scrolled by the keyboard too
  pre.setAttribute('role', 'region');
  pre.setAttribute('aria-label', language ? `${labels.code}: ${language}` : labels.code);
  if (!isFinal || !language) return;
  void import('./highlight').then(({ highlight }) => {
    const colours = highlight(code.textContent ?? '', language.toLowerCase());
    if (colours) code.replaceChildren(colours);
  });
}

function dressFormula(span: HTMLElement, labels: Labels): void {
  const source = span.textContent ?? '';
  span.setAttribute('role', 'math');
  span.setAttribute('aria-label', `${labels.formula}: ${source}`);
  void import('./typeset').then(({ typeset }) =>
    typeset(source, span, span.classList.contains('math-display')),
  );
}

function dressTable(table: HTMLTableElement): void {
  const box = make('div', 'table');
  box.tabIndex = 0;
  table.replaceWith(box);
  box.append(table);
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

// `isFinal`: the block will not grow any more.
export function nodesOf(block: Block, labels: Labels, isFinal: boolean): Node[] {
  const fragment = sanitize(block.html);
  fragment.querySelectorAll('a').forEach((link) => dressLink(link, labels));
  fragment.querySelectorAll('pre').forEach((pre) => dressCode(pre, labels, isFinal));
  fragment.querySelectorAll('table').forEach(dressTable);
  if (isFinal) {
    fragment.querySelectorAll<HTMLElement>('span.math').forEach((span) => dressFormula(span, labels));
  }
  for (const element of fragment.children as HTMLCollectionOf<HTMLElement>) {
    const isCode = element.classList.contains('code');
    if (!isCode && RIGHT_TO_LEFT.test(element.textContent ?? '')) element.dir = 'auto'; // as its first words go
  }
  return [...fragment.childNodes];
}
