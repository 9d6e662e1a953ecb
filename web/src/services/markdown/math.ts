// LaTeX in Markdown: \( \), \[ \], $$ $$ and $ $. A single dollar is mostly money: it opens only
// before a non-blank and closes only behind one, not before a digit, and not around prose.
import type { MarkdownIt } from 'markdown-it';

const isBlank = (char: string | undefined) => char === undefined || /\s/.test(char);

// "5 (or 6" and "10 for the first, " are money; "5 + 3x" and "100" are not.
export function looksLikeProse(content: string): boolean {
  if (/[\\^_={}]/.test(content)) return false;
  if (/[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/.test(content)) return true;
  return /(?:^|[\s(,])[A-Za-z]{2,}(?:$|[\s,.)!?;:-])/.test(content);
}

// The end of a formula that a dollar at `begin` opens, or -1.
export function closingDollar(text: string, begin: number): number {
  if (isBlank(text[begin + 1]) || text[begin + 1] === '$') return -1;
  if (/[\p{L}\p{N}\\]/u.test(text[begin - 1] ?? ' ')) return -1;
  for (let i = begin + 1; i < text.length; ++i) {
    if (text[i] === '\\') {
      ++i;
    } else if (text[i] === '\n' && text[i + 1] === '\n') {
      return -1;
    } else if (text[i] === '$') {
      if (isBlank(text[i - 1]) || /[0-9A-Za-z]/.test(text[i + 1] ?? ' ')) return -1;
      return looksLikeProse(text.slice(begin + 1, i)) ? -1 : i;
    }
  }
  return -1;
}

interface Found {
  content: string;
  end: number; // behind the closing mark
  display: boolean;
}

function findFormula(text: string, begin: number): Found | null {
  for (const [open, close, display] of [
    ['\\(', '\\)', false],
    ['\\[', '\\]', true],
    ['$$', '$$', true],
  ] as const) {
    if (!text.startsWith(open, begin)) continue;
    const end = text.indexOf(close, begin + 2);
    const content = end < 0 ? '' : text.slice(begin + 2, end);
    return content.trim() ? { content, end: end + 2, display } : null;
  }
  if (text[begin] !== '$') return null;
  const end = closingDollar(text, begin);
  return end < 0 ? null : { content: text.slice(begin + 1, end), end: end + 1, display: false };
}

// Formulas become <span class="math"> with their source inside; math_dom.ts typesets them.
export function mathPlugin(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math', (state, silent) => {
    const char = state.src[state.pos];
    if (char !== '$' && char !== '\\') return false;
    const found = findFormula(state.src.slice(0, state.posMax), state.pos);
    if (!found) return false;
    if (!silent) {
      const token = state.push('math', 'span', 0);
      token.content = found.content;
      token.meta = { display: found.display };
    }
    state.pos = found.end;
    return true;
  });

  // A formula over several lines, which may hold what else would be a list or a heading.
  md.block.ruler.before(
    'fence',
    'math_block',
    (state, startLine, endLine, silent) => {
      const lineOf = (line: number) =>
        state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line]);
      const first = lineOf(startLine);
      const open = first.startsWith('$$') ? '$$' : first.startsWith('\\[') ? '\\[' : '';
      if (!open) return false;
      const close = open === '$$' ? '$$' : '\\]';
      let line = startLine;
      let content = first.slice(2);
      while (!content.trimEnd().endsWith(close)) {
        if (content.includes(close) || ++line >= endLine) return false;
        content += `\n${lineOf(line)}`;
      }
      content = content.trimEnd().slice(0, -2);
      if (!content.trim() || content.includes(close)) return false;
      if (silent) return true;
      const token = state.push('math', 'span', 0);
      token.block = true;
      token.content = content;
      token.meta = { display: true };
      token.map = [startLine, line + 1];
      state.line = line + 1;
      return true;
    },
    { alt: ['paragraph', 'reference', 'blockquote', 'list'] },
  );

  md.renderer.rules['math'] = (tokens, index) => {
    const token = tokens[index]!;
    const display = (token.meta as { display: boolean }).display;
    const html = `<span class="math${display ? ' math-display' : ''}">${md.utils.escapeHtml(token.content)}</span>`;
    return token.block ? `<p>${html}</p>\n` : html;
  };
}
