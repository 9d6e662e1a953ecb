// axe finds nothing serious on any page, in both languages and all themes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as s from './support.js';

const CONTENT = [
  '# Title\n\nWords with a [link](https://example.org/x), `code` and *more*.',
  '- a list\n- of two',
  '| a | b |\n|---|--:|\n| 1 | 2 |',
  '```python\n# a comment\ndef f(x: int) -> str:\n    return "a" + str(1)\n```',
  '> quoted\n\nand $x^2$ as well.',
].join('\n\n');

const STEPS = '<think>hm\n</think>\n\n<tool_call>\n{"name": "f", "arguments": {"a": "b"}}\n</tool_call>\nyes';

let server;
let browser;
let chat;
let assistant;
let token;
before(async () => {
  [server, browser] = await Promise.all([s.startServer(), s.startBrowser()]);
  await s.call(server, 'POST', '/api/prompts', { name: 'greet', content: 'Say hello to {{name}}.' });
  chat = await s.chatWith(server, ['A question', CONTENT, 'And thoughts?', STEPS], 'A chat');
  const starters = ['What is a maru?'];
  assistant = (await s.call(server, 'POST', '/api/assistants', { name: 'Guide', picture: '🏠', instructions: 'Guide.', starters })).id;
  const { leaf } = await s.call(server, 'GET', `/api/chats/${chat}`);
  token = (await s.call(server, 'POST', '/api/shares', { message: leaf })).token;
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const PAGES = {
  'the first page': ['/', async () => {}],
  'a chat': [
    () => `/chat/${chat}`,
    async (page) => {
      await page.getByRole('button', { name: /^(Thoughts|생각)$/ }).click();
      await page.getByRole('button', { name: /^(Asked for f|f 호출을 요청함)$/ }).click();
      await page.getByRole('button', { name: /^(Details|자세히)$/ }).last().click();
    },
  ],
  'the menu of a chat': [
    () => `/chat/${chat}`,
    (page) => page.getByRole('button', { name: /^(Actions for A chat|A chat 메뉴)$/ }).click(),
  ],
  'the search': [
    '/',
    async (page) => {
      await page.keyboard.press('Control+k');
      await page.getByRole('searchbox').fill('question');
      await page.locator('mark').first().waitFor();
    },
  ],
  'the shortcuts': ['/', (page) => page.getByRole('button', { name: /^(Shortcuts|단축키)$/ }).click()],
  'the settings': ['/settings', async () => {}],
  'reasons for a thumb': [
    async () => `/chat/${await s.chatWith(server, ['A question', 'An answer'])}`,
    async (page) => {
      await page.getByRole('button', { name: /^(Bad answer|아쉬운 답변)$/ }).last().click();
      await page.getByRole('dialog').getByRole('checkbox').first().waitFor();
    },
  ],
  'two answers side by side': [
    '/',
    async (page) => {
      await page.getByRole('button', { name: /^(Side by side with|나란히 비교: 상대 고르기)$/ }).click();
      await page.getByRole('menuitemradio', { name: /parameters/ }).click();
      await page.locator('#composer').fill('hm');
      await page.locator('#composer').press('Enter');
      await page.getByRole('button', { name: /^(A is better|A가 더 낫습니다)$/ }).click();
      await page.getByRole('link', { name: /^(Ratings of the models|모델 평가)$/ }).waitFor();
    },
  ],
  'the library': ['/library', async (page) => page.getByText('Guide', { exact: true }).waitFor()],
  'an assistant': [
    '/library',
    async (page) => page.getByRole('button', { name: /^(Change|수정): Guide$/ }).click(),
  ],
  'the start with an assistant': [() => `/with/${assistant}`, async (page) => page.getByRole('heading', { name: 'Guide' }).waitFor()],
  'a link to be shared': [
    () => `/chat/${chat}`,
    async (page) => {
      await page.getByRole('button', { name: /^(Actions for A chat|A chat 메뉴)$/ }).click();
      await page.getByRole('menuitem', { name: /^(Share|공유)$/ }).click();
      await page.getByRole('dialog').getByRole('button', { name: /^(New link|새 링크)$/ }).click();
      await page.getByRole('dialog').getByRole('textbox').first().waitFor();
    },
  ],
  'what was shared': [() => `/shared/${token}`, async (page) => page.getByRole('heading', { name: 'A chat' }).waitFor()],
  'the list of prompts': [
    '/',
    async (page) => {
      await page.locator('#composer').pressSequentially('/');
      await page.getByRole('listbox').getByRole('option').first().waitFor();
    },
  ],
  'the ratings': [
    '/ratings',
    async (page) => {
      await page.getByRole('row', { name: /^plain/ }).waitFor();
    },
  ],
};

for (const language of ['en', 'ko']) {
  for (const theme of ['light', 'dark', 'contrast']) {
    test(`axe finds nothing serious (${language}, ${theme})`, async () => {
      const person = await s.newPerson(browser, server, { language, reducedMotion: 'reduce' });
      const page = await s.openPage(person);
      await page.evaluate((value) => localStorage.setItem('maru.theme', value), theme);
      for (const [name, [at, act]] of Object.entries(PAGES)) {
        await page.goto(typeof at === 'function' ? await at() : at);
        await page.waitForFunction(() => document.querySelector('main h1, article'));
        await act(page);
        assert.deepEqual(await s.axeFindings(page), [], name);
      }
      s.assertNoProblems(person);
      await person.context.close();
    });
  }
}

test('the login page and a phone have nothing serious either', async () => {
  const closed = await s.startServer({ people: ['kim'] });
  const login = await s.newPerson(browser, closed, { language: 'ko' });
  const page = await s.openPage(login);
  await page.getByLabel('비밀번호').waitFor();
  assert.deepEqual(await s.axeFindings(page), []);
  await login.context.close();
  await closed.stop();

  const phone = await s.newPerson(browser, server, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const small = await s.openPage(phone, `/chat/${chat}`);
  await small.locator('article').first().waitFor();
  assert.deepEqual(await s.axeFindings(small), []);
  await small.getByRole('button', { name: 'Open the side list' }).tap();
  assert.deepEqual(await s.axeFindings(small), []);
  await phone.context.close();
});

test('the voice says that an answer begins and ends, not its words', async () => {
  const person = await s.newPerson(browser, server);
  const page = await s.openPage(person);
  await s.composer(page).waitFor();
  await page.evaluate(() => {
    globalThis.said = [];
    const voice = document.querySelector('[role=status][aria-live=polite]');
    new MutationObserver(() => globalThis.said.push(voice.textContent)).observe(voice, {
      childList: true,
      characterData: true,
      subtree: true,
    });
  });
  await s.ask(page, 'speak');
  await s.eventually(() => page.evaluate(() => globalThis.said), [
    'An answer is being written.',
    'The answer is complete.',
  ]);
  await person.context.close();
});
