// Without a network: the page opens, what was opened before is read, nothing of others is kept.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as s from './support.js';

let server;
let browser;
let line;
before(async () => {
  [server, browser] = await Promise.all([s.startServer({ people: ['kim', 'lee'] }), s.startBrowser()]);
  line = await s.startLine(server);
});
after(async () => {
  await browser?.close();
  await line?.stop();
  await server?.stop();
});

const keptAnswers = (page) =>
  page.evaluate(async () => {
    const cache = await caches.open('maru-kept');
    return Promise.all((await cache.keys()).map(async (key) => `${key.url}\n${await (await cache.match(key)).text()}`));
  });

test('what was opened is read without a network; logging out takes it away', async () => {
  const person = await s.newPerson(browser, { url: line.url }, { serviceWorkers: 'allow' });
  const page = await s.openPage(person);
  await page.getByLabel('Name').fill('kim');
  await page.getByLabel('Password').fill(s.PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await s.composer(page).waitFor();
  await page.getByRole('button', { name: 'Temporary' }).click();
  await s.ask(page, 'not to be kept');
  const temporary = page.url();
  await page.goto('/');
  await s.ask(page, 'to be read later');
  const chat = page.url();
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.reload(); // now by the service worker
  const text = s.answers(page).first().locator('.markdown');
  await text.getByText('The maru is an open hall').waitFor();
  // Answers are kept after they are shown: the list with this chat, and its messages.
  const id = new URL(chat).pathname.split('/').at(-1);
  await s.eventually(async () => {
    const kept = await keptAnswers(page);
    return kept.some((one) => /^\S+\/chats\?/.test(one) && one.includes(id)) && kept.some((one) => one.includes(`${id}/messages`) && one.includes('hall'));
  }, true);

  line.cut();
  await page.goto(chat);
  await page.getByText('No network.').waitFor();
  await text.getByText('The maru is an open hall').waitFor();
  await s.chatList(page).locator(`a[href="${new URL(chat).pathname}"]`).waitFor();
  await s.composer(page).fill('words are not lost');
  await s.composer(page).press('Enter');
  await s.eventually(() => s.composer(page).inputValue(), 'words are not lost');
  await page.goto(temporary);
  await page.getByRole('heading', { name: "The server can't be reached." }).waitFor();
  assert.equal(await page.getByText('not to be kept').count(), 0);
  const kept = (await keptAnswers(page)).join('\n');
  assert.ok(kept.includes('to be read later') && !kept.includes('not to be kept'));

  line.mend();
  await page.goto(chat);
  await s.eventually(() => page.getByText('No network.').count(), 0);
  await s.composer(page).press('Enter'); // the draft is still there
  await s.ended(s.answers(page).nth(1));
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Password').waitFor();
  assert.deepEqual(await page.evaluate(async () => (await caches.keys()).filter((name) => name === 'maru-kept')), []);
  line.cut();
  await page.goto(chat);
  await page.getByRole('heading', { name: "The server can't be reached." }).waitFor();
  assert.ok(!(await page.content()).includes('to be read later'));
  s.assertNoProblems(person);
  await person.context.close();
});

test('it can be installed: a manifest with icons that are there', async () => {
  const person = await s.newPerson(browser, server);
  const page = await s.openPage(person);
  const manifest = await page.evaluate(async () => {
    const answer = await fetch(document.querySelector('link[rel=manifest]').href);
    return { type: answer.headers.get('content-type'), ...(await answer.json()) };
  });
  assert.equal(manifest.type, 'application/manifest+json');
  assert.equal(manifest.display, 'standalone');
  for (const icon of manifest.icons.filter((one) => one.type === 'image/png')) {
    const size = await page.evaluate(async (src) => {
      const image = new Image();
      image.src = src;
      await image.decode();
      return `${image.naturalWidth}x${image.naturalHeight}`;
    }, icon.src);
    assert.equal(size, icon.sizes);
  }
  const client = await person.context.newCDPSession(page);
  const { errors } = await client.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  const { installabilityErrors } = await client.send('Page.getInstallabilityErrors');
  assert.deepEqual(installabilityErrors.map((one) => one.errorId).filter((id) => id !== 'in-incognito'), []);
  s.assertNoProblems(person);
  await person.context.close();
});
