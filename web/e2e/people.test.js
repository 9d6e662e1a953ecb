// People with accounts: logging in, and that nobody sees another's things.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as s from './support.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([s.startServer({ people: ['kim', 'lee'] }), s.startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function logIn(page, name, password = s.PASSWORD) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

test('a wrong password is told, a right one leads to the composer, logging out leads back', async () => {
  const person = await s.newPerson(browser, server);
  const page = await s.openPage(person);
  await logIn(page, 'kim', 'not the password');
  await page.getByRole('alert').getByText('The name or the password is wrong.').waitFor();
  await page.route('**/api/me', (route) => route.fulfill({ status: 401, json: { error: { message: 'no cookie' } } }));
  await logIn(page, 'kim'); // as if the browser kept no cookie
  await page.getByText('keeps no cookies').waitFor();
  await page.unroute('**/api/me');
  await logIn(page, 'kim');
  await s.composer(page).waitFor();
  await s.ask(page, 'hello from kim');
  await page.reload(); // the session stays
  await page.locator('.bubble', { hasText: 'hello from kim' }).waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Password').waitFor();
  s.assertNoProblems(person);
  await person.context.close();
});

test('two people do not see each other', async () => {
  const kim = await s.newPerson(browser, server);
  const lee = await s.newPerson(browser, server);
  const [kims, lees] = [await s.openPage(kim), await s.openPage(lee)];
  await logIn(kims, 'kim');
  await logIn(lees, 'lee');
  await s.composer(kims).fill('half a secret draft');
  await s.composer(lees).waitFor();
  await s.ask(kims, 'the secret of kim');
  const address = kims.url();

  assert.equal(await s.chatList(lees).getByRole('link', { name: /secret/ }).count(), 0);
  await lees.goto(address);
  await lees.getByRole('heading', { name: 'There is no such chat.' }).waitFor();
  await lees.keyboard.press('Control+k');
  await lees.getByRole('searchbox').fill('secret');
  await lees.getByText('Nothing was found.').waitFor();
  assert.ok(!(await lees.content()).includes('the secret of kim'));

  // In the same browser, after the other has left: no draft, no chat.
  await kims.goto('/');
  await s.composer(kims).fill('a draft of kim');
  await kims.getByRole('button', { name: 'Log out' }).click();
  await logIn(kims, 'lee');
  await s.composer(kims).waitFor();
  assert.equal(await s.composer(kims).inputValue(), '');
  await s.eventually(() => s.chatList(kims).getByRole('link').count(), 0);
  await kim.context.close();
  await lee.context.close();
});

test('a session that was ended elsewhere leads to the login, and the words are not lost', async () => {
  const person = await s.newPerson(browser, server);
  const page = await s.openPage(person);
  await logIn(page, 'lee');
  await s.composer(page).fill('long words');
  await person.context.clearCookies();
  await s.composer(page).press('Enter');
  await page.getByLabel('Password').waitFor();
  await logIn(page, 'lee');
  await s.eventually(() => s.composer(page).inputValue(), 'long words');
  await person.context.close();
});
