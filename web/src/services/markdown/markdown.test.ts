import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { closingDollar } from './math';
import { parseBlocks } from './parse';
import { hostOf, sanitize } from './sanitize';
import { MarkdownView } from './view';

const labels = { copy: 'Copy', code: 'Code', image: 'Image', formula: 'Formula' };
// Views ask for these and do not wait: they must not come when the page of the tests is gone.
afterAll(() => Promise.all([import('./highlight'), import('./typeset')]));

const html = (text: string) =>
  parseBlocks(text)
    .map((block) => block.html)
    .join('');

describe('formulas', () => {
  const math = (text: string) => [...html(text).matchAll(/class="math(?: math-display)?">([^<]*)</g)].map((one) => one[1]);

  it('are found', () => {
    expect(math('so $x^2$ is')).toEqual(['x^2']);
    expect(math('\\(a+b\\) and \\[c\\]')).toEqual(['a+b', 'c']);
    expect(math('$$\n\\sum_i i\n$$')).toEqual(['\n\\sum_i i\n']);
    expect(math('$100$ and $n$')).toEqual(['100', 'n']);
    expect(math('값은 $x$이다')).toEqual(['x']);
  });

  it.each([
    'It costs $5 and then $10.',
    'US$5, $6 and $7',
    '$5-$10',
    'from $5 (or 6$) on',
    'pay 5$ now, 6$ later',
    '\\$5 and \\$6',
    '가격은 $5이고 나중에 $10이다',
    'between $1,000 and $2,000 a month',
    '`$x$`',
    'a $ b $ c',
    '$ x$',
  ])('do not eat money: %s', (text) => expect(math(text)).toEqual([]));

  it('close only in their paragraph', () => {
    expect(closingDollar('$x\n\ny$', 0)).toBe(-1);
  });
});

describe('markup', () => {
  it('has boxes for things to do', () => {
    expect(html('- [ ] one\n- [x] two\n- [y] three')).toBe(
      '<ul>\n<li class="task">☐ one</li>\n<li class="task">☑ two</li>\n<li>[y] three</li>\n</ul>\n',
    );
  });

  it('goes as its words go', () => {
    const root = document.createElement('div');
    new MarkdownView(root, labels).update('مرحبا بالعالم\n\nhello\n\n```\nمرحبا\n```', true);
    expect([...root.children].map((block) => (block as HTMLElement).dir)).toEqual(['auto', '', '']);
  });

  it('is text, and never elements', () => {
    const root = document.createElement('div');
    root.append(sanitize(html('<img src=x onerror=alert(1)> <b>x</b>\n\n<script>1</script>')));
    expect(root.querySelector('img, b, script')).toBeNull();
    expect(root.textContent).toContain('<script>');
  });

  it('loses what could do something, even if it came as HTML', () => {
    const root = document.createElement('div');
    root.append(
      sanitize(
        '<p onclick="x()" style="position:fixed" id="a" data-x="1"><a href="javascript:x()">a</a><a href="/api/logout">b</a>' +
          '<img src="https://x/"><svg><use href="#x"/></svg><form action="//x"><input></form><iframe></iframe><p>',
      ),
    );
    expect(root.innerHTML).not.toMatch(/onclick|style|id=|data-|javascript|\/api|img|svg|form|input|iframe/);
  });

  it('leads only to the web, and says where', () => {
    expect(hostOf('https://a.example:8443/x')).toBe('a.example:8443');
    for (const href of ['javascript:1', 'data:text/html,x', '/api/me', '//x/y', 'file:///etc', '']) {
      expect(hostOf(href)).toBeNull();
    }
  });
});

describe('the view', () => {
  let root: HTMLElement;
  let view: MarkdownView;
  beforeEach(() => {
    root = document.createElement('div');
    view = new MarkdownView(root, labels);
  });

  it('shows hosts of links, no images, and a bar over code', () => {
    view.update('[bank](https://evil.example/x) ![cat](https://track.example/c.png) [x](javascript:1)\n\n```js\n1\n```', true);
    expect(root.querySelector('.link-host')?.textContent).toBe('evil.example');
    expect(root.querySelector('img')).toBeNull();
    expect(root.querySelector('.remote-image')?.textContent).toContain('Image: cat');
    expect(root.querySelectorAll('a')).toHaveLength(2);
    for (const link of root.querySelectorAll('a')) expect(link.rel).toContain('noopener');
    expect(root.querySelector('.code-language')?.textContent).toBe('js');
  });

  it('keeps the sides of columns and the first number of a list', () => {
    view.update('| a | b |\n|---|--:|\n| 1 | 2 |\n\n3. three', true);
    expect([...root.querySelectorAll('td')].map((cell) => cell.getAttribute('align'))).toEqual([null, 'right']);
    expect(root.querySelector('ol')?.getAttribute('start')).toBe('3');
  });

  it('says nothing twice of a plain address', () => {
    view.update('<https://a.example/x> https://b.example', true);
    expect(root.querySelector('.link-host')).toBeNull();
  });

  const LONG = [
    '# Title',
    'A paragraph with *words*.',
    '- one\n- two\n  - three\n\n  with more',
    '| a | b |\n|---|---|\n| 1 | 2 |',
    '```py\nprint("마루")\n\nx = 1\n```',
    '> quoted\n> more',
    'Setext\n===',
    '1. first\n2. second',
    '$$\nx\n$$',
    'The end 👋🏽.',
  ].join('\n\n');

  it('ends the same however the text came', () => {
    const expected = document.createElement('div');
    new MarkdownView(expected, labels).update(LONG, true);
    for (const step of [1, 3, 7, 50]) {
      const element = document.createElement('div');
      const grown = new MarkdownView(element, labels);
      for (let at = 0; at < LONG.length; at += step) grown.update(LONG.slice(0, at), false);
      grown.update(LONG, true);
      expect(element.innerHTML).toBe(expected.innerHTML);
    }
  });

  it('shows at every moment what the text so far says', () => {
    for (let at = 0; at <= LONG.length; at += 1) {
      view.update(LONG.slice(0, at), false);
      const fresh = document.createElement('div');
      new MarkdownView(fresh, labels).update(LONG.slice(0, at), false);
      expect(root.textContent).toBe(fresh.textContent);
    }
  });

  it('keeps the nodes of what does not change', () => {
    view.update('# One\n\nTwo\n\nThree\n\nFou', false);
    const first = root.firstChild;
    view.update('# One\n\nTwo\n\nThree\n\nFour and more', false);
    expect(root.firstChild).toBe(first);
  });

  it('takes a text that became shorter', () => {
    view.update('one\n\ntwo\n\nthree', false);
    view.update('one\n\ntw', false);
    expect(root.textContent?.replace(/\s/g, '')).toBe('onetw');
  });
});
