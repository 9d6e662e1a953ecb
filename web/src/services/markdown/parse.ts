// Markdown to top-level blocks of HTML text. Raw HTML is text here; what comes out still goes
// through sanitize.ts before anything becomes an element.
import MarkdownIt from 'markdown-it';
import { mathPlugin } from './math';

const md = new MarkdownIt({ html: false, linkify: true, breaks: false });
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
md.use(mathPlugin);
// Images never load by themselves: they are shown as links to where they are.
md.renderer.rules['image'] = (tokens, index) => {
  const token = tokens[index]!;
  const source = md.utils.escapeHtml(String(token.attrGet('src') ?? ''));
  const words = md.utils.escapeHtml(token.content);
  return `<a class="remote-image" href="${source}">${words}</a>`;
};
// Lists of things to do.
md.core.ruler.after('inline', 'tasks', ({ tokens }) => {
  tokens.forEach((token, i) => {
    const words = token.type === 'inline' && tokens[i - 2]?.type === 'list_item_open' ? token.children?.[0] : undefined;
    const mark = words?.type === 'text' ? /^\[([ xX])\] /.exec(words.content) : null;
    if (!words || !mark) return;
    words.content = `${mark[1] === ' ' ? '☐' : '☑'} ${words.content.slice(mark[0].length)}`;
    tokens[i - 2]!.attrJoin('class', 'task');
  });
});
// The alignment of a column comes as a style, which the page's policy forbids.
for (const name of ['th_open', 'td_open']) {
  md.renderer.rules[name] = (tokens, index, options, _env, self) => {
    const token = tokens[index]!;
    const align = /text-align:(\w+)/.exec(String(token.attrGet('style') ?? ''))?.[1];
    token.attrs = align ? [['align', align]] : null;
    return self.renderToken(tokens, index, options);
  };
}

export interface Block {
  html: string;
  begin: number; // the line at which it begins
}

export function parseBlocks(text: string): Block[] {
  const env = {};
  const tokens = md.parse(text, env);
  const blocks: Block[] = [];
  for (let begin = 0; begin < tokens.length; ) {
    let end = begin;
    let depth = 0;
    do depth += tokens[end++]!.nesting;
    while (depth > 0 && end < tokens.length);
    blocks.push({
      html: md.renderer.render(tokens.slice(begin, end), md.options, env),
      begin: tokens[begin]!.map?.[0] ?? 0,
    });
    begin = end;
  }
  return blocks;
}
