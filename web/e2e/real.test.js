// The real engine with a real model: from the first run to an answer, accounts, and models that come and go.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as s from './support.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([s.startRealServer(['small', 'spare']), s.startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('first run to first answer; the administrator loads, looks at and unloads a model', async () => {
  const person = await s.newPerson(browser, server);
  const page = await s.openPage(person);
  const answer = await s.ask(page, 'Say hello.');
  assert.match(await answer.locator('.markdown').innerText(), /[A-Za-z]{2}/);

  await page.getByRole('link', { name: 'Set up for others' }).click();
  assert.equal(await page.getByRole('radio', { name: /^small/ }).isChecked(), true);
  await page.getByLabel('Name').fill('kim');
  await page.getByLabel('Password').fill(s.PASSWORD);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.getByRole('link', { name: 'Models' }).click();
  const row = (name) => page.getByRole('row', { name: new RegExp(`^${name}`) });
  await row('small').getByText('loaded', { exact: true }).waitFor();
  await row('spare').getByText('not loaded').waitFor();
  await page.getByRole('button', { name: 'Load spare', exact: true }).click();
  await row('spare').getByText('loaded', { exact: true }).waitFor();
  assert.match(await row('spare').innerText(), /MB[\s\S]*MB[\s\S]*1,024/); // size, memory, context
  await page.getByRole('button', { name: 'Unload spare' }).click();
  await row('spare').getByText('not loaded').waitFor();
  await page.getByRole('button', { name: 'Card of small' }).click();
  await page.getByRole('dialog').getByText('llama').first().waitFor();
  assert.deepEqual(await s.axeFindings(page), []);
  await page.keyboard.press('Escape');

  await page.getByRole('link', { name: 'Health' }).click();
  await page.getByText(/Since the start: [1-9]\d* tokens in/).waitFor();
  s.assertNoProblems(person);
  await person.context.close();
});
