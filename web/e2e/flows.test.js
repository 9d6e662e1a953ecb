// What people do, from the first run on.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browser, person, server } from './suite.js';
import * as s from './support.js';

const PLAIN = 'The maru is an open hall. 마루는 열린 공간 👋🏽 ok';

for (const language of ['en', 'ko']) {
  test(`the first run opens at the composer, ready to type (${language})`, async () => {
    const words = s.WORDS[language];
    const self = await s.newPerson(browser, server, { language });
    const page = await s.openPage(self);
    const composer = s.composer(page, words);
    await composer.waitFor();
    assert.equal(await composer.evaluate((element) => element === document.activeElement), true);
    assert.equal(await s.sendButton(page, words).isDisabled(), true);
    await page.keyboard.type(language === 'ko' ? '마루가 뭐예요?' : 'What is a maru?');
    await s.sendButton(page, words).click();
    const answer = s.answers(page, words).first();
    await s.ended(answer);
    await s.eventually(() => answer.locator('.markdown').innerText(), PLAIN);
    assert.match(page.url(), /\/chat\/chat_/);
    // The model gives the chat its title; this one answers everything alike.
    await s.chatList(page, words).getByRole('link', { name: PLAIN }).first().waitFor();
    await s.eventually(() => page.title(), `${PLAIN} – Maru`);
    assert.equal(await composer.inputValue(), '');
    s.assertNoProblems(self);
    await self.context.close();
  });
}

test('an edited question is a branch beside the old one, and both can be walked to', async () => {
  const page = await s.openPage(person);
  await s.ask(page, 'first words');
  const question = page.getByRole('article', { name: 'Question' });
  await question.hover();
  await question.getByRole('button', { name: 'Edit' }).click();
  await question.getByRole('textbox').fill('second words');
  await question.getByRole('textbox').press('Enter');
  await question.getByText('second words').waitFor();
  await s.ended(s.answers(page).first());
  assert.equal(await question.getByRole('img', { name: 'Version 2 of 2' }).count(), 1);
  await question.getByRole('button', { name: 'Previous version' }).click();
  await question.getByText('first words').waitFor();
  await page.reload(); // the branch that was shown is shown again
  await question.getByText('first words').waitFor();
  await question.getByRole('button', { name: 'Next version' }).click();
  await question.getByText('second words').waitFor();
});

test('an answer is given again, by another model, and the first one stays', async () => {
  const page = await s.openPage(person);
  await s.ask(page, 'again please');
  const answer = s.answers(page).first();
  await answer.getByRole('button', { name: 'Answer again with another model' }).click();
  await page.getByRole('menuitemradio', { name: 'parameters' }).click();
  await answer.getByText('temperature=', { exact: false }).waitFor();
  await s.ended(answer);
  await answer.getByRole('button', { name: 'Previous version' }).click();
  await answer.getByText(PLAIN).waitFor();
  const feedback = await s.call(server, 'GET', '/api/feedback');
  assert.ok(feedback.data.some((one) => one.kind === 'regeneration'));
});

test('a reload in the middle of an answer loses and doubles nothing', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'slow');
  await s.composer(page).fill('slowly');
  await s.composer(page).press('Enter');
  const text = s.answers(page).first().locator('.markdown');
  for (let i = 0; i < 3; ++i) {
    const seen = i === 0 ? '' : await text.innerText().catch(() => '');
    await page.waitForFunction(
      (n) => (document.querySelector('.answer .markdown')?.textContent ?? '').length > n,
      seen.length,
    );
    await page.reload();
  }
  await s.ended(s.answers(page).first());
  await s.eventually(() => text.innerText(), PLAIN);
});

test('an answer goes on while the network is away, and the page picks it up', async () => {
  const line = await s.startLine(server);
  const far = await s.newPerson(browser, { url: line.url });
  const page = await s.openPage(far);
  await s.chooseModel(page, 'slow');
  await s.composer(page).fill('slowly');
  await s.composer(page).press('Enter');
  await page.waitForFunction(() => (document.querySelector('.answer .markdown')?.textContent ?? '').length > 3);
  line.cut();
  await page.getByText('The connection is lost.').waitFor();
  line.mend();
  await s.ended(s.answers(page).first());
  await s.eventually(() => s.answers(page).first().locator('.markdown').innerText(), PLAIN);
  await far.context.close();
  await line.stop();
});

test('where no WebSocket comes through, answers come all the same', async () => {
  const line = await s.startLine(server, { refuses: /^GET \/api\/live / });
  const far = await s.newPerson(browser, { url: line.url });
  const page = await s.openPage(far);
  await s.ask(page, 'by another way');
  await s.eventually(() => s.answers(page).first().locator('.markdown').innerText(), PLAIN);
  assert.ok(line.refused >= 3);
  await far.context.close();
  await line.stop();
});

test('two tabs show the same answer as it is written', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'slow');
  await s.composer(page).fill('for two');
  await s.composer(page).press('Enter');
  await page.waitForURL(/\/chat\//);
  const other = await s.openPage(person, page.url());
  for (const tab of [page, other]) {
    await s.ended(s.answers(tab).first());
    await s.eventually(() => s.answers(tab).first().locator('.markdown').innerText(), PLAIN);
  }
  await s.ask(other, 'a second question'); // and the first tab hears of what the other one does
  await page.getByText('a second question').waitFor();
});

test('Stop stops, and what was written stays', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'long');
  await s.composer(page).fill('without end');
  await s.composer(page).press('Enter');
  await page.waitForFunction(() => (document.querySelector('.answer .markdown')?.textContent ?? '').length > 20);
  await s.stopButton(page).click();
  const answer = s.answers(page).first();
  await s.ended(answer, 'stopped');
  assert.match(await answer.locator('.markdown').innerText(), /^and so on/);
  await answer.getByText('Stopped.').waitFor();
  await s.sendButton(page).waitFor();
});

test('an answer that was cut goes on in its own words', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'long');
  await s.composer(page).fill('on and on');
  await s.composer(page).press('Enter');
  const answer = s.answers(page).first();
  const text = () => answer.locator('.markdown').innerText();
  await page.waitForFunction(() => (document.querySelector('.answer .markdown')?.textContent ?? '').length > 20);
  await s.stopButton(page).click();
  await s.ended(answer, 'stopped');
  const before = await text();
  const other = await s.openPage(person, page.url()); // sees it go on too
  await s.ended(s.answers(other).first(), 'stopped');
  await answer.getByRole('button', { name: 'Continue' }).click();
  for (const tab of [page, other]) {
    await tab.waitForFunction(
      (n) => (document.querySelector('.answer .markdown')?.textContent ?? '').length > n + 20,
      before.length,
    );
  }
  await s.stopButton(page).click();
  await s.ended(answer, 'stopped');
  await s.ended(s.answers(other).first(), 'stopped');
  const { content } = await s.call(server, 'GET', `/api/messages/${await answer.getAttribute('data-message')}`);
  assert.ok(content.trim().startsWith(before));
  for (const tab of [page, other]) {
    await s.eventually(() => s.answers(tab).first().locator('.markdown').innerText(), content.trim());
  }
  assert.equal(await s.answers(page).count(), 1);
});

test('an answer that fails in the middle says so, and can be asked for again', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'error');
  await s.composer(page).fill('fail');
  await s.composer(page).press('Enter');
  const answer = s.answers(page).first();
  await s.ended(answer, 'failed');
  await answer.getByText('The answer failed.').waitFor();
  await answer.getByRole('button', { name: 'Answer again', exact: true }).click();
  await answer.getByRole('img', { name: 'Version 2 of 2' }).waitFor();
});

test('a full queue keeps the question and offers another try', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'busy');
  await s.composer(page).fill('is anybody there');
  await s.composer(page).press('Enter');
  await page.getByRole('alert').getByText('The server has too much to do right now.').waitFor();
  await s.chooseModel(page, 'plain');
  await page.getByRole('button', { name: 'Try again' }).click();
  await s.ended(s.answers(page).first());
});

test('thinking is folded, apart from the answer', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'thinking');
  const answer = await s.ask(page, 'what is a maru');
  const fold = answer.getByRole('button', { name: /^Though/ });
  assert.equal(await fold.getAttribute('aria-expanded'), 'false');
  await s.eventually(async () => (await answer.locator('.markdown').allInnerTexts()).join('|'), 'A hall.');
  await fold.click();
  await answer.getByText('A hall, or a floor?').waitFor();
  await page.reload();
  await s.answers(page).first().getByRole('button', { name: /^Thought for \d/ }).waitFor();
});

test('calls of tools are steps of the answer, and what nobody ran is said', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'tools');
  const answer = await s.ask(page, 'what is a maru');
  const steps = async (article) => (await article.locator('.step .fold > button, .thinking .fold > button').allInnerTexts()).map((text) => text.trim());
  const expected = ['Called search', 'Result', 'Asked for read_page'];
  await s.eventually(async () => (await steps(answer)).slice(1), expected);
  await s.eventually(async () => (await answer.locator('.markdown').allInnerTexts()).join('|'), 'I look for it.|A maru is an open hall.');
  await answer.getByText('Nobody ran it: this chat has no such tool.').waitFor();
  const call = answer.getByRole('button', { name: 'Called search' });
  assert.equal(await call.getAttribute('aria-expanded'), 'false');
  await call.press('Enter');
  await answer.getByText('"query": "마루"').waitFor();
  await answer.getByRole('button', { name: 'Copy', exact: true }).last().click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'I look for it.\n\nA maru is an open hall.');
  await s.ask(page, 'and?'); // with all of it as its past
  const { leaf } = await s.call(server, 'GET', `/api/chats/${page.url().split('/').at(-1)}`);
  const { token } = await s.call(server, 'POST', '/api/shares', { message: leaf });
  await page.goto(`/shared/${token}`);
  await s.eventually(async () => (await steps(s.answers(page).first())).slice(1), expected);
});

test('a chat that is too long for the model says so, and goes on as the person chooses', async () => {
  const id = await s.chatWith(server, ['a long story '.repeat(900), 'yes'], 'too long');
  const page = await s.openPage(person, `/chat/${id}`);
  await s.composer(page).fill('and then?');
  await s.composer(page).press('Enter');
  await page.getByRole('alert').getByText('no longer fits into the context of plain').waitFor();
  await page.getByRole('button', { name: 'New chat with this question' }).click();
  await s.eventually(() => s.composer(page).inputValue(), 'and then?');
  await s.composer(page).press('Enter');
  await s.ended(s.answers(page).first());
});

test('of a chat that is too long the oldest turns are left out, and stay in another version', async () => {
  const id = await s.chatWith(server, ['a long story '.repeat(900), 'yes', 'a short one', 'ok'], 'to be shortened');
  const page = await s.openPage(person, `/chat/${id}`);
  await s.composer(page).fill('and then?');
  await s.composer(page).press('Enter');
  await page.getByRole('button', { name: 'Leave out the oldest turns' }).click();
  await page.getByText('2 messages are left out from here on').waitFor();
  await s.ended(s.answers(page).nth(1));
  assert.deepEqual(await page.locator('.bubble').allInnerTexts(), ['a short one', 'and then?']);
  const first = page.getByRole('article', { name: 'Question' }).first();
  await first.getByRole('img', { name: 'Version 2 of 2' }).waitFor();
  await first.getByRole('button', { name: 'Previous version' }).click();
  await page.getByText('a long story').first().waitFor();
});

test('of a chat that is too long a summary begins a new one, if its writer sends it', async () => {
  const id = await s.chatWith(server, ['a long story '.repeat(900), 'yes'], 'to be summarised');
  const page = await s.openPage(person, `/chat/${id}`);
  await s.composer(page).fill('and then?');
  await s.composer(page).press('Enter');
  await page.getByRole('button', { name: 'New chat with a summary' }).click();
  await s.eventually(() => s.composer(page).inputValue(), `What was said so far:\n\n${PLAIN}\n\nand then?`);
  assert.equal(await s.answers(page).count(), 0);
  await page.waitForURL(server.url);
});

test('the details tell tokens and speed', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'long');
  await s.composer(page).fill('count');
  await s.composer(page).press('Enter');
  const answer = s.answers(page).first();
  await s.ended(answer);
  await answer.getByText('reached its limit').waitFor();
  await page.reload(); // they are the server's figures, kept with the answer
  await answer.getByRole('button', { name: 'Details' }).click();
  const details = await answer.locator('dl').innerText();
  for (const word of ['Tokens in', 'Tokens from the cache', 'Tokens out', 'tokens/s', 'Time to first token', 'Price']) {
    assert.ok(details.includes(word), `${word} in ${details}`);
  }
  const meter = page.getByRole('meter');
  assert.match(await meter.getAttribute('aria-label'), /of 2,048 tokens used/);
});

test('a draft is kept for each chat', async () => {
  const first = await s.chatWith(server, ['one', 'two'], 'draft one');
  const page = await s.openPage(person, `/chat/${first}`);
  await s.composer(page).fill('half a thought');
  await page.getByRole('link', { name: 'New chat' }).click();
  await s.composer(page).waitFor();
  assert.equal(await s.composer(page).inputValue(), '');
  await s.composer(page).fill('another');
  await s.chatList(page).getByRole('link', { name: 'draft one' }).click();
  await s.eventually(() => s.composer(page).inputValue(), 'half a thought');
  await page.reload();
  await s.eventually(() => s.composer(page).inputValue(), 'half a thought');
});

test('search finds Korean words of two letters and leads to the message', async () => {
  const id = await s.chatWith(server, ['어제 주간회의록을 썼습니다', '잘하셨어요'], '회의');
  const page = await s.openPage(person);
  await s.composer(page).waitFor();
  await page.keyboard.press('Control+k');
  const dialog = page.getByRole('dialog', { name: 'Search' });
  await dialog.getByRole('searchbox').fill('회의');
  await dialog.locator('mark', { hasText: '회의' }).first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForURL(new RegExp(`/chat/${id}`));
  await page.getByText('주간회의록을').waitFor();
  assert.equal(await dialog.count(), 0);
});

test('chats are renamed, pinned, filed, archived and deleted', async () => {
  await s.chatWith(server, ['x', 'y'], 'to be changed');
  const page = await s.openPage(person);
  const list = s.chatList(page);
  const menu = async (title, item) => {
    await list.getByRole('button', { name: `Actions for ${title}` }).click();
    await page.getByRole('menuitem', { name: item, exact: true }).click();
  };
  await menu('to be changed', 'Rename');
  await page.getByRole('dialog').getByRole('textbox').fill('changed');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await list.getByRole('link', { name: 'changed' }).waitFor();
  await menu('changed', 'Pin');
  await list.getByRole('list', { name: 'Pinned' }).getByRole('link', { name: 'changed' }).waitFor();
  await menu('changed', 'Move to a folder');
  await page.getByRole('button', { name: 'New folder' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('Work');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const place = async (name) => {
    await page.getByRole('button', { name: /^Which chats/ }).click();
    await page.getByRole('menuitemradio', { name }).click();
  };
  await place('Work');
  await s.eventually(() => list.getByRole('link').count(), 1);
  await menu('changed', 'Archive');
  await s.eventually(() => list.getByRole('link').count(), 0);
  await place('Archive');
  await menu('changed', 'Delete');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await s.eventually(() => list.getByRole('link').count(), 0);
});

test('a chat is taken along as Markdown and JSON', async () => {
  await s.chatWith(server, ['a question', 'an **answer**'], 'take along');
  const page = await s.openPage(person);
  for (const [item, name, part] of [
    ['Export as Markdown', 'take along.md', '## Answer'],
    ['Export as JSON', 'take along.json', '"format": "maru.chat.1"'],
  ]) {
    await s.chatList(page).getByRole('button', { name: 'Actions for take along' }).click();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('menuitem', { name: item }).click(),
    ]);
    assert.equal(file.suggestedFilename(), name);
    const stream = await file.createReadStream();
    const text = (await stream.toArray()).join('');
    assert.ok(text.includes(part) && text.includes('an **answer**'), text);
  }
});

test('a chat is printed whole, in light colours, as the person has folded it', async () => {
  const words = Array.from({ length: 60 }, (_, i) => [`question ${i}`, `answer ${i} with a [link](https://example.org/${i})`]).flat();
  const steps = '<think>\nunseen\n</think>\n\n<tool_call>{"name": "f", "arguments": {"a": "seen"}}</tool_call>\n\n```sh\n' + 'x'.repeat(300) + '\n```';
  const id = await s.chatWith(server, [...words, 'and steps?', steps], 'on paper');
  const page = await person.context.newPage();
  await page.addInitScript(() => {
    localStorage.setItem('maru.theme', 'dark');
    globalThis.print = () => (globalThis.printed = document.querySelectorAll('main article').length);
  });
  await page.goto(`/chat/${id}`);
  await page.getByRole('button', { name: 'Asked for f' }).click();
  const shown = () => page.locator('main article').count();
  const before = await shown();
  assert.ok(before < words.length);
  await page.keyboard.press('Control+p');
  await page.waitForFunction((n) => globalThis.printed === n, words.length + 2);
  await page.emulateMedia({ media: 'print' });
  const text = await page.locator('body').innerText();
  for (const part of ['on paper', 'question 0', 'answer 59', '"a": "seen"', 'Thoughts', 'Nobody ran it']) assert.ok(text.includes(part), part);
  for (const part of ['unseen', 'New chat', 'Models make mistakes']) assert.ok(!text.includes(part), part);
  for (const hidden of ['#composer', '.tools', '.code-copy', 'aside']) assert.equal(await page.locator(`${hidden} >> visible=true`).count(), 0, hidden);
  const look = await page.evaluate(() => ({
    colour: getComputedStyle(document.body).color,
    who: getComputedStyle(document.querySelector('.answer'), '::before').content,
    address: getComputedStyle(document.querySelector('.markdown a'), '::after').content,
    wide: Math.max(...[...document.querySelectorAll('pre')].map((pre) => pre.scrollWidth - pre.clientWidth)),
  }));
  assert.equal(look.colour, 'rgb(34, 33, 30)');
  assert.match(look.who, /^"Answer · .*20\d\d/);
  assert.equal(look.address, '" (https://example.org/0)"');
  assert.ok(look.wide <= 1, `${look.wide} pixels of code are cut off`);
  await page.emulateMedia({ media: null });
  await page.evaluate(() => dispatchEvent(new Event('afterprint'))); // ours has no dialog that ends
  await s.eventually(shown, before);

  await page.reload(); // by the browser's own menu
  await page.getByRole('button', { name: 'Asked for f' }).waitFor();
  const place = page.getByText('question 50', { exact: true });
  await place.evaluate((element) => element.scrollIntoView());
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const pdf = await page.pdf({ preferCSSPageSize: true });
  await s.eventually(shown, before);
  await s.eventually(() => place.evaluate((element) => element.getBoundingClientRect().top >= 0 && element.getBoundingClientRect().bottom <= innerHeight), true);
  assert.ok((pdf.toString('latin1').match(/\/Type \/Page\b/g) ?? []).length > 5);
});

test('a temporary chat is in no list', async () => {
  const page = await s.openPage(person);
  await page.getByRole('button', { name: 'Temporary' }).click();
  await s.ask(page, 'a secret for today');
  await s.ask(page, 'and more');
  assert.equal(await s.chatList(page).getByRole('link', { name: /secret/ }).count(), 0);
  const found = await s.call(server, 'GET', '/api/search?query=secret');
  assert.deepEqual(found.data, []);
});

test('instructions and memories are kept and reach the model', async () => {
  const page = await s.openPage(person, '/settings');
  await page.getByRole('textbox', { name: 'Custom instructions' }).fill('Speak like a sailor.');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved').waitFor();
  await page.getByRole('button', { name: 'Add a memory' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('likes barley tea');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByText('likes barley tea').waitFor();
  await page.getByRole('link', { name: 'Back to the chat' }).click();
  await s.chooseModel(page, 'echo');
  const answer = await s.ask(page, 'who am I');
  for (const words of ['Speak like a sailor.', 'likes barley tea']) await answer.getByText(words).waitFor();
  await page.goto('/settings');
  await page.getByRole('button', { name: 'Delete: likes barley tea' }).click();
  await page.getByText('Nothing is remembered.').waitFor();
  await page.getByRole('textbox', { name: 'Custom instructions' }).fill('');
  await page.getByRole('button', { name: 'Save' }).click();
});

test('a person takes all data along, and deletes it', async () => {
  const own = await s.startServer();
  await s.chatWith(own, ['to be taken along', 'yes'], 'mine');
  const self = await s.newPerson(browser, own);
  const page = await s.openPage(self, '/settings');
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download my data' }).click(),
  ]);
  const text = (await (await file.createReadStream()).toArray()).join('');
  assert.ok(JSON.parse(text).messages.some((one) => one.content === 'to be taken along'));
  await page.getByRole('button', { name: 'Delete my data' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete my data' }).click();
  await page.getByText('Your data is deleted.').waitFor();
  await page.getByRole('link', { name: 'Back to the chat' }).click();
  await page.getByText('No chats yet.').waitFor();
  assert.deepEqual((await s.call(own, 'GET', '/api/chats')).data, []);
  s.assertNoProblems(self);
  await self.context.close();
  await own.stop();
});

test('language and theme are chosen and stay', async () => {
  const page = await s.openPage(person, '/settings');
  await page.getByRole('radio', { name: '한국어' }).check();
  await page.getByRole('heading', { name: '설정', exact: true }).waitFor();
  await page.getByRole('radio', { name: '어둡게' }).check();
  await page.goto('/');
  await s.composer(page, s.WORDS.ko).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'ko');
});

test('the keyboard is enough, and a list tells its shortcuts', async () => {
  await s.chatWith(server, ['x', 'y'], 'by keyboard');
  const page = await s.openPage(person);
  await s.composer(page).waitFor();
  await s.composer(page).evaluate((element) => element.blur());
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' }); // a closed one is no dialog, but still there for a moment
  await page.keyboard.press('/');
  await s.eventually(() => s.composer(page).evaluate((element) => element === document.activeElement), true);
  await page.keyboard.press('Control+Shift+S');
  await page.getByRole('button', { name: 'Open the side list' }).waitFor();
  await page.keyboard.press('Control+Shift+S');
  const item = s.chatList(page).getByRole('button', { name: 'Actions for by keyboard' });
  await item.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Rename' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await s.eventually(() => page.evaluate(() => document.activeElement.textContent.trim()), 'Pin');
  await page.keyboard.press('Escape');
  await s.eventually(() => item.evaluate((element) => element === document.activeElement), true);
});

describe('an input method', () => {
  test('composes Hangul without its Enter sending the message', async () => {
    const page = await s.openPage(person);
    const composer = s.composer(page);
    await composer.focus();
    const cdp = await person.context.newCDPSession(page);
    const enter = async () => {
      const key = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, nativeVirtualKeyCode: 13 };
      await cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...key });
      await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
    };
    await page.evaluate(() => {
      window.composed = [];
      for (const type of ['compositionstart', 'compositionend', 'keydown']) {
        addEventListener(type, (event) => window.composed.push([type, event.isComposing ?? null]), true);
      }
    });
    for (const text of ['ㅎ', '하', '한']) {
      await cdp.send('Input.imeSetComposition', { text, selectionStart: 1, selectionEnd: 1 });
    }
    await enter(); // it belongs to the composition
    const events = await page.evaluate(() => window.composed);
    assert.deepEqual(events.at(0)[0], 'compositionstart');
    assert.deepEqual(events.at(-1), ['keydown', true]);
    assert.equal(await s.answers(page).count(), 0);
    await cdp.send('Input.insertText', { text: '한글' });
    assert.equal(await composer.inputValue(), '한글');
    await enter(); // now it sends
    await s.ended(s.answers(page).first());
    assert.equal(await page.locator('.bubble').innerText(), '한글');
  });

  test('Shift+Enter makes a line', async () => {
    const page = await s.openPage(person);
    await s.composer(page).pressSequentially('one');
    await s.composer(page).press('Shift+Enter');
    await s.composer(page).pressSequentially('two');
    assert.equal(await s.composer(page).inputValue(), 'one\ntwo');
  });
});

test('a text file becomes a part of the message', async () => {
  const page = await s.openPage(person);
  await s.composer(page).evaluate((element) => {
    const data = new DataTransfer();
    data.items.add(new File(['print(1)\n'], 'a.py', { type: 'text/x-python' }));
    element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await s.eventually(() => s.composer(page).inputValue(), 'a.py\n```py\nprint(1)\n```\n');
});

test('on a phone nothing is cut off, and the list is a drawer', async () => {
  const phone = await s.newPerson(browser, server, {
    language: 'ko',
    viewport: { width: 360, height: 740 },
    hasTouch: true,
    isMobile: true,
  });
  const wide = '| ' + 'col |'.repeat(20) + '\n|' + '-|'.repeat(20) + '\n|' + 'cell|'.repeat(20);
  const id = await s.chatWith(server, ['긴 표와 코드', `${wide}\n\n\`\`\`js\n${'x'.repeat(300)}\n\`\`\`\n\n${'a'.repeat(300)}`], '휴대폰');
  const page = await s.openPage(phone, `/chat/${id}`);
  await s.answers(page, s.WORDS.ko).first().waitFor();
  const { width, inner } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, inner: innerWidth }));
  assert.ok(width <= inner, `${width} > ${inner}`);
  await page.getByRole('button', { name: '사이드바 열기' }).tap();
  await s.chatList(page, s.WORDS.ko).getByRole('link', { name: '휴대폰' }).tap();
  await page.getByRole('button', { name: '사이드바 열기' }).waitFor();
  await s.composer(page, s.WORDS.ko).fill('안녕');
  await s.sendButton(page, s.WORDS.ko).tap();
  await s.ended(s.answers(page, s.WORDS.ko).nth(1));
  s.assertNoProblems(phone);
  await phone.context.close();
});
