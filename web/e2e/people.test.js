// People with accounts: logging in, and that nobody sees another's things.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as s from './support.js';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([s.startServer({ people: ['kim', 'lee', 'mina'] }), s.startBrowser()]);
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

test('an assistant that is shared with a group is its members\' until it is taken back', async () => {
  const people = {};
  for (const name of ['kim', 'lee', 'mina']) {
    const person = await s.newPerson(browser, server);
    const page = await s.openPage(person, '/library');
    await logIn(page, name);
    await page.getByRole('heading', { name: 'Assistants' }).waitFor();
    // The API as the page calls it: with the session.
    const ask = (method, at, body) =>
      page.evaluate(
        async ([method, at, body]) => {
          const { csrf_token } = await (await fetch('/api/me')).json();
          const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token };
          const answer = await fetch(at, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
          return { status: answer.status, ...(await answer.json()) };
        },
        [method, at, body],
      );
    people[name] = { person, page, ask };
  }
  const { kim, lee, mina } = people;
  const group = await kim.ask('POST', '/api/admin/groups', { name: 'guides' });
  for (const one of [kim, lee]) {
    const { user } = await one.ask('GET', '/api/me');
    await kim.ask('PUT', `/api/admin/groups/${group.id}/members/${user.id}`);
  }

  await kim.page.reload(); // it learns of its groups
  await kim.page.getByRole('button', { name: 'Add an assistant' }).click();
  const form = kim.page.getByRole('dialog');
  await form.getByRole('textbox', { name: 'Name' }).fill('Guide');
  await form.getByRole('textbox', { name: 'Instructions' }).fill('Answer as a guide of palaces.');
  await form.getByRole('combobox', { name: 'Model' }).selectOption('echo');
  await form.getByRole('combobox', { name: 'Who may use it' }).selectOption('guides');
  await form.getByRole('button', { name: 'Save' }).click();
  await kim.page.getByRole('link', { name: 'Chat with Guide' }).waitFor();

  await lee.page.reload();
  const shared = lee.page.getByRole('list', { name: 'Assistants' }).getByRole('listitem').filter({ hasText: 'Guide' });
  await shared.getByText('Shared with a group of yours').waitFor();
  assert.equal(await shared.getByRole('button').count(), 0); // nothing to change
  await shared.getByRole('link', { name: 'Chat with Guide' }).click();
  await lee.page.getByRole('heading', { name: 'Guide' }).waitFor();
  await (await s.ask(lee.page, 'Where do I begin?')).getByText('Answer as a guide of palaces.').waitFor();
  const { data } = await lee.ask('GET', '/api/assistants');
  const at = `/api/assistants/${data[0].id}`;
  assert.deepEqual([data.length, data[0].own], [1, false]);
  for (const [method, body] of [['PUT', { name: 'Mine' }], ['DELETE']]) {
    assert.equal((await lee.ask(method, at, body)).status, 404);
  }

  await mina.page.reload();
  await mina.page.getByText('No assistants yet.').waitFor();
  assert.deepEqual((await mina.ask('GET', '/api/assistants')).data, []);
  assert.equal((await mina.ask('GET', at)).status, 404);
  await mina.page.goto(`/with/${data[0].id}`); // the address alone opens nothing
  await s.composer(mina.page).fill('Where do I begin?');
  await s.composer(mina.page).press('Enter');
  await mina.page.getByRole('alert').getByText('The assistant of this chat is not there for you').waitFor();
  assert.ok(!/Guide|palaces/.test(await mina.page.content()));

  await kim.page.getByRole('button', { name: 'Change: Guide' }).click();
  await form.getByRole('combobox', { name: 'Who may use it' }).selectOption({ label: 'Only me' });
  await form.getByRole('button', { name: 'Save' }).click();
  await form.waitFor({ state: 'detached' });
  await lee.page.goto('/library');
  await lee.page.getByText('No assistants yet.').waitFor();
  assert.equal((await lee.ask('GET', at)).status, 404);
  await lee.page.goBack(); // the chat that was begun with it
  await s.answers(lee.page).first().waitFor();
  await s.composer(lee.page).fill('And then?');
  await s.composer(lee.page).press('Enter');
  await lee.page.getByRole('button', { name: 'Go on without it' }).click();
  await s.ended(s.answers(lee.page).nth(1));
  for (const { person } of Object.values(people)) {
    s.assertNoProblems(person);
    await person.context.close();
  }
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
