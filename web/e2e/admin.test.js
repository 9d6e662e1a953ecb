// The organisation's pages and those of one's own account: what is done on them holds at the server.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import * as s from './support.js';

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const OWN = ['usage', 'keys', 'sessions'];
const PARTS = ['people', 'groups', 'projects', 'keys', 'limits', 'models', 'prices', 'usage', 'settings', 'audit', 'health'];

let server;
let browser;
let kim;
before(async () => {
  [server, browser] = await Promise.all([s.startServer({ people: ['kim', 'lee'], refresh_ms: 200 }), s.startBrowser()]);
  kim = await s.newPerson(browser, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function logIn(person, name, at = '/', words = ['Name', 'Password', 'Log in']) {
  const page = await s.openPage(person, at);
  await page.getByLabel(words[0]).fill(name);
  await page.getByLabel(words[1]).fill(s.PASSWORD);
  await page.getByRole('button', { name: words[2] }).click();
  await page.getByLabel(words[1]).waitFor({ state: 'detached' });
  return page;
}
const complete = (key, model = 'plain') =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
  });
const save = (page) => page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
const closed = (page) => page.getByRole('dialog').waitFor({ state: 'detached' });
const keyOf = (page) => page.getByRole('dialog').getByLabel('Key').inputValue();

test('an administrator runs the house: accounts, groups, keys, limits, prices', async () => {
  const page = await logIn(kim, 'kim', '/');
  await page.getByRole('link', { name: 'Administration' }).click();
  await page.getByRole('button', { name: 'Add an account' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('mina');
  await dialog.getByLabel('Shown name').fill('Mina Park');
  await dialog.getByLabel('Role').selectOption('auditor');
  await dialog.getByLabel('Password').fill('short');
  await save(page); // the browser holds it back
  await dialog.getByLabel('Password').fill(s.PASSWORD);
  await save(page);
  await closed(page);
  await page.getByRole('row', { name: /mina.*Mina Park.*Auditor/ }).waitFor();
  await page.getByRole('button', { name: 'Add an account' }).click();
  await dialog.getByLabel('Name', { exact: true }).fill('mina');
  await save(page); // the server refuses, and the dialog says why
  await dialog.getByRole('alert').getByText('The name “mina” is taken.').waitFor();
  await page.keyboard.press('Escape');

  await page.getByRole('link', { name: 'Groups' }).click();
  await page.getByRole('button', { name: 'Add a group' }).click();
  await dialog.getByRole('textbox').fill('readers');
  await save(page);
  const group = page.getByRole('region', { name: 'readers' });
  await group.getByLabel('Add a member to readers').fill('lee');
  await page.keyboard.press('Enter');
  await group.getByRole('button', { name: 'Take lee out of readers' }).waitFor();
  for (const [label, name] of [
    ['Models that readers allows', 'echo'],
    ['Features that readers allows', 'completions'],
    ['Other hosts that readers allows', '*.example.org'],
  ]) {
    await group.getByLabel(label).fill(name);
    await page.keyboard.press('Enter');
    await group.getByRole('button', { name: `Take ${name} from readers` }).waitFor();
  }

  await page.getByRole('link', { name: 'API keys' }).click();
  await page.getByRole('button', { name: 'New key' }).click();
  await dialog.getByLabel('Whose').selectOption({ label: 'lee' });
  await dialog.getByLabel('Name').fill('robot');
  await dialog.getByRole('button', { name: 'Make the key' }).click();
  await dialog.getByText('shown this once').waitFor();
  const key = await keyOf(page);
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  assert.equal((await complete(key)).status, 404); // the group's rule: echo alone
  assert.equal((await complete(key, 'echo')).status, 200);

  await page.getByRole('link', { name: 'Limits' }).click();
  await page.getByRole('button', { name: 'Set a limit' }).click();
  await dialog.getByLabel('Kind').selectOption('group');
  await dialog.getByLabel('For').selectOption({ label: 'readers' });
  await dialog.getByLabel('Limit', { exact: true }).selectOption('tokens_per_month');
  await dialog.getByLabel('Value').fill('1');
  await save(page);
  await page.getByRole('row', { name: /Group readers Tokens per month 1/ }).waitFor();
  const refused = async () => (await complete(key, 'echo')).status;
  await s.eventually(refused, 429); // within two seconds, docs/metering.md says
  await page.getByRole('button', { name: 'Remove the limit Tokens per month of readers' }).click();
  await page.getByText('There are no limits.').waitFor();
  await s.eventually(refused, 200);

  await page.getByRole('link', { name: 'Prices' }).click();
  await page.getByRole('button', { name: 'Add a price' }).click();
  await dialog.getByLabel('Model').fill('plain');
  await dialog.getByLabel('In', { exact: true }).fill('1000');
  await dialog.getByLabel('Out').fill('2000.5');
  await save(page);
  await page.getByRole('row', { name: /^plain 1000.*2000\.5/ }).waitFor();

  await page.getByRole('link', { name: 'API keys' }).click();
  await page.getByRole('button', { name: 'Revoke the key robot' }).click();
  await dialog.getByRole('button', { name: 'Revoke' }).click();
  await closed(page);
  assert.equal((await complete(key, 'echo')).status, 401);
  await page.getByRole('link', { name: 'Accounts' }).click();
  await page.getByRole('button', { name: 'Disable mina' }).click();
  await page.getByRole('button', { name: 'Enable mina' }).click();
  await page.getByRole('button', { name: 'Disable mina' }).waitFor();
  s.assertNoProblems(kim);
  await page.close();
});

test('a key made on the page is used by a real client; a session is ended from another', async () => {
  const page = await s.openPage(kim, '/admin/projects');
  for (const [project, group] of [['atlas', 'Everybody'], ['closed', 'readers']]) {
    await page.getByRole('button', { name: 'Add a project' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill(project);
    await page.getByLabel('May be used by').selectOption({ label: group });
    await save(page);
    await page.getByRole('row', { name: new RegExp(`^${project} ${group}`) }).waitFor();
  }
  await page.getByRole('link', { name: 'API keys' }).click(); // for lee, who is in the group
  await page.getByRole('button', { name: 'New key' }).click();
  const project = page.getByRole('dialog').getByLabel('Project');
  await page.getByLabel('Whose').selectOption({ label: 'lee' });
  assert.deepEqual(await project.locator('option').allTextContents(), ['No project', 'atlas', 'closed']);
  await page.keyboard.press('Escape');
  await page.goto('/settings/keys');
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name').fill('laptop');
  assert.deepEqual(await project.locator('option').allTextContents(), ['No project', 'atlas']);
  await project.selectOption('atlas');
  await page.getByLabel('Name').press('Enter');
  const key = await keyOf(page);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  const home = mkdtempSync(path.join(os.tmpdir(), 'maru-client-'));
  const client = spawnSync(
    path.join(process.env.MARU_BUILD_BIN, 'maru'),
    ['chat', '--host', '127.0.0.1', '--port', new URL(server.url).port, '--model', 'plain', '--lang', 'en'],
    { input: 'What is a maru?\n', env: { ...process.env, MARU_HOME: home, MARU_KEYS: key }, encoding: 'utf8' },
  );
  rmSync(home, { recursive: true, force: true });
  assert.match(client.stdout, /The maru is an open hall/, client.stderr);
  await page.getByRole('row', { name: /^laptop atlas/ }).waitFor();
  await page.getByRole('button', { name: 'Replace the key laptop' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Replace' }).click();
  await page.getByText('Your new key').waitFor();
  assert.equal((await complete(key)).status, 401);
  assert.equal((await complete(await keyOf(page))).status, 200);
  await page.getByRole('button', { name: 'I have copied it' }).click();

  const elsewhere = await s.newPerson(browser, server);
  const other = await logIn(elsewhere, 'kim');
  await page.getByRole('link', { name: 'Sessions' }).click();
  await page.getByRole('button', { name: /^End the session of/ }).click();
  await s.eventually(() => page.getByRole('button', { name: /^End the session of/ }).count(), 0);
  await other.reload();
  await other.getByLabel('Password').waitFor();
  await page.getByRole('link', { name: 'Usage' }).click();
  await page.getByLabel('By', { exact: true }).selectOption('model');
  await page.getByRole('row', { name: /^plain [2-9]/ }).waitFor();
  await page.goto('/admin/usage');
  await page.getByLabel('By', { exact: true }).selectOption('project');
  await page.getByRole('row', { name: /^atlas [2-9]/ }).waitFor(); // by both keys
  await page.getByRole('row', { name: /^No project [1-9]/ }).waitFor();
  assert.equal(await page.getByRole('row', { name: /^closed/ }).count(), 0);
  s.assertNoProblems(kim);
  await elsewhere.context.close();
  await page.close();
});

test('usage, the audit log and the health tell what happened', async () => {
  const page = await s.openPage(kim, '/admin/usage');
  await page.getByRole('img', { name: /^Tokens by day/ }).waitFor();
  await page.getByLabel('By', { exact: true }).selectOption('person');
  await page.getByRole('row', { name: /^lee / }).waitFor();
  await page.getByLabel('By', { exact: true }).selectOption('group');
  await page.getByRole('row', { name: /^readers / }).waitFor();
  await page.getByLabel('Show').selectOption('money');
  const row = await page.getByRole('row', { name: /^In no group / }).innerText();
  assert.match(row, /\$0\.\d*[1-9]/); // the price that was set is in force
  await page.getByLabel('Show').selectOption('latency');
  await page.getByRole('img', { name: /^Time to first token by day/ }).waitFor();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download as CSV' }).click(),
  ]);
  assert.match((await (await file.createReadStream()).toArray()).join(''), /^start,user,key,project,model,requests/);

  await page.getByRole('link', { name: 'Audit log' }).click();
  await page.getByRole('rowheader', { name: 'limit.set' }).first().waitFor();
  await page.getByRole('button', { name: 'Verify the record' }).click();
  await page.getByText('The record is whole').waitFor();

  await page.getByRole('link', { name: 'Models' }).click();
  await page.getByRole('row', { name: /^plain .*loaded/ }).waitFor();

  await page.getByRole('link', { name: 'Health' }).click();
  const figure = (name) => page.locator('dl div', { hasText: name }).locator('dd').innerText();
  await s.eventually(async () => /^\d/.test(await figure('Answer tokens/s')), true);
  assert.equal(await figure('Running requests'), '0');
  await page.getByRole('meter', { name: /^Memory of Maru/ }).waitFor();
  s.assertNoProblems(kim);
  await page.close();
});

test('settings: what is set waits for the next start or holds at once, and a flag decides', async () => {
  const page = await s.openPage(kim, '/admin/settings');
  const row = (name) => page.getByRole('group', { name, exact: true });
  const saveAll = () => page.getByRole('button', { name: 'Save', exact: true }).click();
  await row('Requests that may wait').getByText('Decided by flag --max-waiting').waitFor();
  assert.equal(await row('Requests that may wait').getByRole('spinbutton').count(), 0);
  await page.getByRole('cell', { name: '127.0.0.1' }).waitFor(); // only shown
  await page.getByRole('spinbutton', { name: 'Requests at once' }).fill('4');
  await page.getByRole('combobox', { name: 'Default model' }).selectOption('echo');
  await page.getByRole('textbox', { name: 'Currency' }).fill('krw');
  await page.keyboard.press('Tab');
  await page.getByText('Not saved yet: Default model, Requests at once, Currency').waitFor();
  await saveAll();
  await page.getByText('started again: Default model, Requests at once').waitFor();
  await row('Requests at once').getByText('now: 16').waitFor();
  await row('Currency').getByText('set here').waitFor();
  assert.equal(await page.evaluate(async () => (await (await fetch('/api/me')).json()).currency), 'krw');

  const atOnce = page.getByRole('spinbutton', { name: 'Requests at once' });
  await atOnce.evaluate((input) => input.removeAttribute('max')); // which the browser heeds itself
  await atOnce.fill('5000');
  await page.keyboard.press('Tab');
  await saveAll(); // the server refuses, and the row says why
  await row('Requests at once').getByRole('alert').getByText('1,024').waitFor();
  await page.getByRole('button', { name: 'Discard' }).click();
  for (const name of ['16: Requests at once', 'chosen by itself: Default model', 'usd: Currency']) {
    await page.getByRole('button', { name: `Back to ${name}` }).click();
  }
  await saveAll();
  await page.getByText('started again').waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('spinbutton', { name: 'Requests at once' }).inputValue(), '16');

  let goOn; // what is changed while the rest is saved is still to be
  const hold = async (route) => {
    await new Promise((resolve) => (goOn = resolve));
    await route.continue();
  };
  await page.route('**/api/admin/settings', hold, { times: 1 });
  await page.getByRole('textbox', { name: 'Currency' }).fill('eur');
  await page.keyboard.press('Tab');
  await saveAll();
  await s.eventually(() => goOn !== undefined, true);
  await page.getByRole('spinbutton', { name: 'Requests at once' }).fill('5');
  await page.keyboard.press('Tab');
  goOn();
  await page.getByText('Not saved yet: Requests at once', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Discard' }).click();
  await page.getByRole('button', { name: 'Back to usd: Currency' }).click();
  await saveAll();
  await row('Currency').getByText('set here').waitFor({ state: 'detached' });
  s.assertNoProblems(kim);
  await page.close();
});

test('a model is fetched where a rule lets one reach the hub, with its progress, and can be stopped', async () => {
  const page = await s.openPage(kim, '/admin/models');
  const fetchOne = async (name) => {
    await page.getByLabel(/^Name at the hub/).fill(name);
    await page.getByRole('button', { name: 'Fetch', exact: true }).click();
  };
  await fetchOne('org/small');
  await page.getByRole('alert').getByText('may not reach hub.example').waitFor();
  await page.getByRole('link', { name: 'Groups' }).click();
  const group = page.getByRole('region', { name: 'readers' });
  await group.getByLabel('Other hosts that readers allows').fill('hub.example');
  await page.keyboard.press('Enter');
  await group.getByRole('button', { name: 'Take hub.example from readers' }).waitFor();
  await group.getByLabel('Add a member to readers').fill('kim');
  await page.keyboard.press('Enter');
  await group.getByRole('button', { name: 'Take kim out of readers' }).waitFor();
  await page.getByRole('link', { name: 'Models' }).click();
  await fetchOne('org/long');
  await page.getByRole('progressbar', { name: /^org\/long: .*50/ }).waitFor();
  await fetchOne('org/small');
  await page.getByRole('listitem').filter({ hasText: 'org/small' }).getByText('waits').waitFor();
  await page.getByRole('button', { name: 'Stop fetching org/long' }).click();
  await page.getByRole('listitem').filter({ hasText: 'org/long' }).getByText('stopped').waitFor();
  await page.getByRole('listitem').filter({ hasText: 'org/small' }).getByText('is there').waitFor();
  await fetchOne('org/none');
  await page.getByRole('listitem').filter({ hasText: 'org/none' }).getByText('the hub has no org/none').waitFor();
  await page.getByRole('link', { name: 'Groups' }).click();
  await group.getByRole('button', { name: 'Take kim out of readers' }).click();
  await group.getByRole('button', { name: 'Take kim out of readers' }).waitFor({ state: 'detached' });
  s.assertNoProblems(kim);
  await page.close();
});

test('an auditor looks and changes nothing; a member sees none of it', async () => {
  const mina = await s.newPerson(browser, server);
  const page = await logIn(mina, 'mina', '/admin/people');
  await page.getByRole('row', { name: /^lee/ }).waitFor();
  assert.equal(await page.getByRole('main').getByRole('button').count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Health' }).count(), 0);
  await page.getByRole('link', { name: 'Audit log' }).click();
  await page.getByRole('rowheader', { name: 'group.add' }).first().waitFor();
  assert.equal(await page.evaluate(async () => (await fetch('/api/admin/health')).status), 403);
  await mina.context.close();

  const lee = await s.newPerson(browser, server);
  const other = await logIn(lee, 'lee');
  await s.composer(other).waitFor();
  assert.equal(await other.getByRole('link', { name: 'Administration' }).count(), 0);
  await other.goto('/admin/people');
  await other.getByText('Ask an administrator').waitFor();
  assert.equal(await other.evaluate(async () => (await fetch('/api/admin/users')).status), 403);
  s.assertNoProblems(mina);
  s.assertNoProblems(lee);
  await lee.context.close();
});

for (const [language, theme, options] of [
  ['en', 'light', {}],
  ['ko', 'dark', PHONE],
  ['en', 'contrast', {}],
]) {
  test(`axe finds nothing serious, and a phone has room for every page (${language}, ${theme})`, async () => {
    const person = await s.newPerson(browser, server, { language, reducedMotion: 'reduce', ...options });
    await person.context.addCookies(await kim.context.cookies());
    const page = await s.openPage(person, '/admin');
    await page.evaluate((value) => localStorage.setItem('maru.theme', value), theme);
    await page.reload();
    const places = [...PARTS.map((part) => `/admin/${part}`), ...OWN.map((part) => `/settings/${part}`)];
    for (const at of places) {
      if (at.startsWith('/settings') && !page.url().includes('/settings')) await page.goto('/settings');
      await page.locator(`nav a[href="${at}"]`).click();
      await page.locator('main :is(table, dl, .part-head ~ p:not(.problem))').first().waitFor();
      assert.deepEqual(await s.axeFindings(page), [], at);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${at} is ${wide} pixels wider than the screen`);
      if (process.env.MARU_SCREENSHOTS) {
        const name = `${at.slice(1).replace('/', '-')}-${theme}.png`;
        await page.screenshot({ path: path.join(process.env.MARU_SCREENSHOTS, name) });
      }
    }
    s.assertNoProblems(person);
    await person.context.close();
  });
}

test('the link of the terminal makes the first administrator in the app', async () => {
  const fresh = await s.startServer({ login: 1, first_admin: 1 });
  const person = await s.newPerson(browser, fresh, { language: 'ko' });
  const page = await s.openPage(person, `/first-admin#${fresh.token}`);
  await page.getByRole('heading', { name: '첫 관리자' }).waitFor();
  assert.deepEqual(await s.axeFindings(page), []);
  assert.equal(new URL(page.url()).hash, '');
  await page.getByLabel('이름').fill('root');
  await page.getByLabel('비밀번호').fill(s.PASSWORD);
  await page.getByRole('button', { name: '계정 만들기' }).click();
  await page.getByRole('row', { name: /root.*관리자/ }).waitFor();
  await page.goto(`/first-admin#${fresh.token}`);
  await page.getByLabel('이름').fill('again');
  await page.getByLabel('비밀번호').fill(s.PASSWORD);
  await page.getByRole('button', { name: '계정 만들기' }).click();
  await page.getByRole('alert').getByText('이 링크는 더 이상 쓸 수 없습니다.').waitFor();
  s.assertNoProblems(person);
  await person.context.close();
  await fresh.stop();
});

test('before there is an account, a recommended model is fetched, chosen, and gives the first answer', async () => {
  const open = await s.startServer({ hub: 1 });
  const person = await s.newPerson(browser, open);
  const page = await s.openPage(person);
  await s.composer(page).waitFor(); // the first page
  await page.getByRole('link', { name: 'Set up for others' }).click();
  await page.getByRole('radio', { name: '한국어' }).check();
  await page.getByText('이 컴퓨터에 맞는 다른 모델과 예상 속도').click();
  const list = page.getByRole('list', { name: '이 컴퓨터에 맞는 모델' });
  const best = list.getByRole('listitem').first();
  await best.getByText('추천', { exact: true }).waitFor(); // the machine was measured
  await best.getByRole('heading', { name: /^qwen3-4b/ }).waitFor();
  for (const figure of ['초당 8토큰', '2.5GB', 'apache-2.0']) await best.getByText(figure).waitFor();
  // What a licence restricts stands there before the button.
  await list.getByRole('listitem', { name: /^gemma-3-4b/ }).getByText('이용 제한이 있는 라이선스입니다.').waitFor();
  assert.equal(await list.getByText('kanana-1.5-8b').count(), 0);
  await page.getByText('이 컴퓨터에 맞지 않는 모델 2개').click();
  await page.getByRole('listitem', { name: 'exaone-3.5-2.4b' }).getByText('연구용으로만').waitFor();
  assert.deepEqual(await s.axeFindings(page), []);
  await page.getByRole('radio', { name: 'English' }).check();
  await page.getByRole('button', { name: 'Fetch qwen3-4b (2.5 GB)' }).click();
  await page.getByRole('button', { name: 'Use qwen3-4b for new chats' }).click();
  await page.getByText('Is here, and used for new chats').waitFor();
  assert.ok(await page.getByRole('radio', { name: /^Qwen_Qwen3-4B-GGUF-Q4_K_M/ }).isChecked());
  await page.getByRole('link', { name: 'Not now' }).click();
  await page.getByRole('button', { name: 'Model: Qwen_Qwen3-4B-GGUF-Q4_K_M' }).waitFor();
  await (await s.ask(page, 'What is a maru?')).getByText('The maru is an open hall').waitFor();
  s.assertNoProblems(person);
  await person.context.close();
  await open.stop();
});

test('where no hub is reached, fetching says so in both languages', async () => {
  const open = await s.startServer({ hub: 'away' });
  const person = await s.newPerson(browser, open);
  const page = await s.openPage(person, '/admin'); // which is no dead end before there is an account
  await page.getByRole('link', { name: 'Set Maru up for others' }).click();
  await page.getByText('Others that fit this machine').click();
  const best = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: /^qwen3-4b/ }) }).last();
  await best.getByRole('button', { name: /^Fetch qwen3-4b/ }).click();
  await best.getByText("failed: The hub can't be reached.").waitFor();
  await page.getByRole('radio', { name: '한국어' }).check();
  await best.getByText('실패: 허브에 연결할 수 없습니다.').waitFor();
  await best.getByRole('button', { name: /^qwen3-4b 받기/ }).waitFor();
  s.assertNoProblems(person);
  await person.context.close();
  await open.stop();
});

test('on loopback the way to accounts is offered, and never forced', async () => {
  const open = await s.startServer();
  const person = await s.newPerson(browser, open);
  const page = await s.openPage(person);
  await s.ask(page, 'no account needed');
  await page.getByRole('link', { name: 'Set up for others' }).click();
  await page.getByRole('radio', { name: /^echo/ }).check();
  assert.deepEqual(await s.axeFindings(page), []);
  await page.getByRole('link', { name: 'Not now' }).click();
  await page.getByRole('button', { name: 'Model: echo' }).waitFor();
  await page.getByRole('link', { name: 'Set up for others' }).click();
  await page.getByLabel('Name').fill('kim');
  await page.getByLabel('Password').fill(s.PASSWORD);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.getByRole('row', { name: /kim.*Administrator/ }).waitFor();
  await s.eventually(async () => (await fetch(`${open.url}/v1/models`)).status, 401);
  s.assertNoProblems(person);
  await person.context.close();
  await open.stop();
});
