// Reading: the place in a long chat, the focus, small windows, long names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browser, person, server } from './suite.js';
import * as s from './support.js';

const scroller = (page) => page.getByRole('region', { name: 'Conversation' });
const isSeen = (page, text) =>
  s.eventually(
    () =>
      page.getByText(text, { exact: true }).evaluate((element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      }),
    true,
  );
const isFocused = (locator) => s.eventually(() => locator.evaluate((element) => element === document.activeElement), true);

// 120 messages, each a few lines high.
const story = (name) =>
  s.chatWith(server, Array.from({ length: 120 }, (_, i) => (i % 2 ? 'words '.repeat(80) : `${name}${i}`)), name);

test('a message far from the end is come to, and the end from there', async () => {
  const id = await story('far');
  const { data } = await s.call(server, 'GET', `/api/chats/${id}/messages`);
  const page = await s.openPage(person, `/chat/${id}#${data[20].id}`);
  await isSeen(page, 'far20');
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox').fill('far4');
  await page.getByRole('dialog').getByRole('link', { name: /far4\b/ }).click();
  await isSeen(page, 'far4');
  // Scrolls to the end of what is there until the last message is.
  const lastShown = () => page.locator('[data-message]').last().getAttribute('data-message');
  for (let last = await lastShown(); last !== data.at(-1).id; last = await lastShown()) {
    await scroller(page).evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await page.waitForFunction((id) => [...document.querySelectorAll('[data-message]')].at(-1)?.dataset.message !== id, last);
  }
  await scroller(page).evaluate((element) => (element.scrollTop -= 2 * element.clientHeight)); // away from the end itself
  await page.getByRole('button', { name: 'To the end' }).click();
  await isSeen(page, 'far118');
});

test('a chat that one comes back to is where it was left', async () => {
  const id = await story('place');
  const page = await s.openPage(person, `/chat/${id}`);
  await isSeen(page, 'place118');
  await page.getByText('place94', { exact: true }).evaluate((element) => element.scrollIntoView());
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.getByRole('link', { name: 'New chat' }).click();
  await page.getByRole('heading', { name: 'What shall we work on?' }).waitFor();
  await page.goBack();
  await isSeen(page, 'place94');
});

test('who scrolls up a little while an answer is written is left there', async () => {
  const page = await s.openPage(person);
  await s.chooseModel(page, 'long');
  await s.composer(page).fill('on and on');
  await s.composer(page).press('Enter');
  await page.waitForFunction(() => {
    const element = document.querySelector('.scroller');
    return element && element.scrollTop > 200;
  });
  const top = await scroller(page).evaluate((element) => (element.scrollTop -= 30));
  const height = await scroller(page).evaluate((element) => element.scrollHeight);
  await page.waitForFunction((h) => document.querySelector('.scroller').scrollHeight > h + 60, height);
  assert.equal(await scroller(page).evaluate((element) => element.scrollTop), top);
  await s.stopButton(page).click();
  await isFocused(s.composer(page)); // not lost with the button
});

test('the focus comes back from editing and searching', async () => {
  const id = await s.chatWith(server, ['a question', 'an answer'], 'focus');
  const page = await s.openPage(person, `/chat/${id}`);
  const edit = page.getByRole('article', { name: 'Question' }).getByRole('button', { name: 'Edit' });
  await edit.click();
  await page.keyboard.press('Escape');
  await isFocused(edit);
  await s.composer(page).focus();
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox').fill('words');
  await page.keyboard.press('Escape'); // once, though the field has words
  await isFocused(s.composer(page));
  await page.goto('/library');
  await page.getByRole('button', { name: 'Add an assistant' }).click();
  await isFocused(page.getByRole('textbox', { name: 'Name' })); // not the button that closes
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await isFocused(page.getByRole('button', { name: 'Add an assistant' }));
});

test('a chat that is changed elsewhere while the network is away is caught up with', async () => {
  const id = await s.chatWith(server, ['a question', 'an answer'], 'gone');
  const line = await s.startLine(server);
  const far = await s.newPerson(browser, { url: line.url });
  const page = await s.openPage(far, `/chat/${id}`);
  await s.answers(page).first().waitFor();
  line.cut();
  const { leaf } = await s.call(server, 'GET', `/api/chats/${id}`);
  await s.call(server, 'POST', `/api/chats/${id}/messages`, { content: 'from elsewhere', parent: leaf });
  line.mend();
  await page.getByText('from elsewhere').waitFor();
  await s.call(server, 'DELETE', `/api/chats/${id}`);
  await page.getByRole('heading', { name: 'There is no such chat.' }).waitFor();
  await far.context.close();
  await line.stop();
});

test('a long question is folded', async () => {
  const id = await s.chatWith(server, [`${'line\n'.repeat(900)}last`, 'an answer'], 'long question');
  const page = await s.openPage(person, `/chat/${id}`);
  const question = page.getByRole('article', { name: 'Question' });
  await question.getByRole('button', { name: 'Show all' }).waitFor();
  assert.ok((await question.boundingBox()).height < 700);
  await question.getByRole('button', { name: 'Show all' }).click();
  assert.ok((await question.locator('.bubble').innerText()).endsWith('last'));
});

test('a low window and a long name of a model leave everything within reach', async () => {
  await s.chatWith(server, ['a question', 'an answer'], 'low');
  const small = await s.newPerson(browser, server, { viewport: { width: 360, height: 400 }, hasTouch: true, isMobile: true });
  const name = `plain-${'instruct-'.repeat(8)}Q4_K_M`;
  await small.context.route('**/v1/models', async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    json.data[0].id = name;
    await route.fulfill({ response, json });
  });
  const page = await s.openPage(small);
  await page.getByRole('button', { name: `Model: ${name}` }).click();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Open the side list' }).click();
  const close = page.getByRole('navigation').getByRole('button', { name: 'Close the side list' });
  await isFocused(close);
  await page.keyboard.press('Escape');
  await isFocused(page.getByRole('button', { name: 'Open the side list' }));
  await page.keyboard.press('Enter');
  await s.chatList(page).getByRole('link', { name: 'low' }).click();
  await s.answers(page).first().waitFor();
  await page.getByRole('link', { name: 'New chat' }).click(); // without the sidebar too
  await page.getByRole('heading', { name: 'What shall we work on?' }).waitFor();
  s.assertNoProblems(small);
  await small.context.close();
});

test('on a slow line a question is there at once, and a chat that is opened says that it comes', async () => {
  await s.chatWith(server, ['a question', 'an answer'], 'slow line');
  const page = await s.openPage(person);
  await s.composer(page).waitFor();
  let goOn;
  const held = new Promise((resolve) => (goOn = resolve));
  await page.route('**/messages', async (route) => (await held, route.continue()));
  await s.composer(page).fill('on its way');
  await s.composer(page).press('Enter');
  await page.getByText('on its way').waitFor();
  await page.getByText('Waiting for the first word').waitFor();
  const other = await s.openPage(person);
  await other.route('**/messages', async (route) => (await held, route.continue()));
  await s.chatList(other).getByRole('link', { name: 'slow line' }).click();
  await other.getByText('Loading…').waitFor();
  goOn();
  await s.ended(s.answers(page).first());
  assert.deepEqual(await page.locator('.bubble').allInnerTexts(), ['on its way']);
  await s.answers(other).first().waitFor();
});
