// What people say of answers: thumbs with reasons, blind votes, and what comes of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { person, server } from './suite.js';
import * as s from './support.js';

test('a thumb has reasons, is shown after a reload, and is taken back', async () => {
  const page = await s.openPage(person);
  const answer = await s.ask(page, 'was it good?');
  await answer.getByRole('button', { name: 'Bad answer' }).click();
  const dialog = page.getByRole('dialog', { name: 'What was wrong?' });
  await dialog.getByRole('checkbox', { name: 'Not correct' }).check();
  await dialog.getByRole('checkbox', { name: 'Wrong language' }).check();
  await dialog.getByRole('textbox').fill('it is a floor');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await answer.getByRole('button', { name: 'Not correct, Wrong language' }).waitFor();
  await page.reload();
  await answer.getByRole('button', { name: 'Not correct, Wrong language' }).waitFor();
  assert.equal(await answer.getByRole('button', { name: 'Bad answer' }).getAttribute('aria-pressed'), 'true');
  const message = await answer.getAttribute('data-message');
  const stored = async () => (await s.call(server, 'GET', `/api/feedback?message=${message}`)).data.map((one) => one.detail);
  assert.deepEqual(await stored(), [{ thumb: 'down', comment: 'it is a floor', reasons: ['wrong', 'language'] }]);

  await answer.getByRole('button', { name: 'Good answer' }).click(); // it takes the other's place
  await page.getByRole('dialog', { name: 'What was good?' }).getByRole('button', { name: 'Not now' }).click();
  await s.eventually(stored, [{ thumb: 'up', reasons: [] }]);
  await answer.getByRole('button', { name: 'Good answer' }).click();
  await s.eventually(stored, []);
  await s.eventually(() => answer.getByRole('button', { name: 'Good answer' }).getAttribute('aria-pressed'), 'false');
});

async function askTwo(page, question, rival) {
  await page.getByRole('button', { name: 'Side by side with' }).click();
  await page.getByRole('menuitemradio', { name: rival }).click();
  await s.composer(page).fill(question);
  await s.composer(page).press('Enter');
  const pair = page.getByRole('region', { name: 'Side by side' });
  for (const i of [0, 1]) await s.ended(pair.getByRole('article', { name: 'Answer' }).nth(i));
  return pair;
}

test('two models answer side by side, the vote is blind, and the ratings have it', async () => {
  const page = await s.openPage(person);
  const pair = await askTwo(page, 'def hall(): what does this code do?', 'With parameters');
  // Nothing tells whose they are: no names, no details, also not after a reload.
  for (const reloaded of [false, true]) {
    if (reloaded) await page.reload();
    await pair.getByRole('button', { name: 'A is better' }).waitFor();
    assert.ok(!/\bplain\b|\bparameters\b/.test(await pair.innerText()), await pair.innerText());
    assert.equal(await pair.getByRole('button', { name: 'Details' }).count(), 0);
  }
  assert.equal(await pair.getByRole('combobox', { name: 'Topic' }).inputValue(), 'code');
  await pair.getByRole('combobox', { name: 'Topic' }).selectOption('facts');
  // The one that is preferred is known by its words.
  const isFirst = /maru is an open hall/.test(await pair.getByRole('article', { name: 'Answer' }).first().innerText());
  await pair.getByRole('button', { name: `${isFirst ? 'A' : 'B'} is better` }).click();
  await pair.getByText('Preferred', { exact: true }).waitFor();
  const heads = (await pair.getByRole('heading', { level: 3 }).allInnerTexts()).map((text) => text.replace(/\s+/g, ' '));
  assert.deepEqual(heads, isFirst ? ['Answer A plain Preferred', 'Answer B parameters'] : ['Answer A parameters', 'Answer B plain Preferred']);
  const votes = await s.call(server, 'GET', '/api/votes');
  assert.deepEqual(votes.data, [{ topic: 'facts', model: 'plain', over: 'parameters', wins: 1, ties: 0 }]);

  await pair.getByRole('link', { name: 'Ratings of the models' }).click();
  await page.getByRole('heading', { name: 'Ratings of the models' }).waitFor();
  const row = page.getByRole('row', { name: /^plain/ });
  await row.getByText('100%', { exact: true }).waitFor();
  assert.match(await row.innerText(), /21% to 100%/);
  await page.getByRole('radio', { name: 'Code' }).check();
  await page.getByText('No votes yet.').waitFor();
  await page.getByRole('radio', { name: 'Facts' }).check();
  await row.waitFor();
});

test('the chat goes on from the preferred answer, and a tie is a vote', async () => {
  const page = await s.openPage(person);
  const pair = await askTwo(page, 'one or two?', 'With thinking');
  await pair.getByRole('button', { name: 'Both are as good' }).click();
  await pair.getByText('As good', { exact: true }).first().waitFor();
  await page.getByRole('button', { name: 'Side by side with' }).click();
  await page.getByRole('menuitemradio', { name: 'One answer' }).click();
  await s.composer(page).fill('and on');
  await s.composer(page).press('Enter');
  await page.getByText('and on', { exact: true }).waitFor();
  await pair.waitFor({ state: 'detached' });
  await s.ended(s.answers(page).nth(1));
  assert.equal(await s.answers(page).count(), 2);
  await s.answers(page).first().getByRole('img', { name: /Version \d of 2/ }).waitFor();
  const votes = await s.call(server, 'GET', '/api/votes');
  assert.ok(votes.data.some((one) => one.ties === 1 && one.topic === 'other'));
});
