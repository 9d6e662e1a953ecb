// What goes wrong is told in the language of the person, with what to do next.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as s from './support.js';

const KO = s.WORDS.ko;

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([s.startServer({ people: ['kim'], refresh_ms: 20 }), s.startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// As the page itself would ask, with its session.
const act = (page, method, path, body) =>
  page.evaluate(
    async ([how, where, what]) => {
      const { csrf_token: token } = await (await fetch('/api/me')).json();
      const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': token };
      const answer = await fetch(where, { method: how, headers, ...(what ? { body: JSON.stringify(what) } : {}) });
      return { status: answer.status, body: await answer.json() };
    },
    [method, path, body],
  );

test('a Korean meets Korean: at the door, in a chat, at a limit, at the hub', async () => {
  const kim = await s.newPerson(browser, server, { language: 'ko' });
  const page = await s.openPage(kim);
  const logIn = async (password) => {
    await page.getByLabel('이름').fill('kim');
    await page.getByLabel('비밀번호').fill(password);
    await page.getByRole('button', { name: '로그인' }).click();
  };
  await logIn('not the password');
  await page.getByRole('alert').getByText('이름이나 비밀번호가 올바르지 않습니다.').waitFor();
  await logIn(s.PASSWORD);
  await s.composer(page, KO).waitFor();

  // A general sentence, with what the server said below it, also after a reload.
  await s.chooseModel(page, 'error');
  await s.composer(page, KO).fill('실패');
  await s.composer(page, KO).press('Enter');
  const answer = s.answers(page, KO).first();
  await s.ended(answer, 'failed');
  for (const again of [false, true]) {
    if (again) await page.reload();
    await answer.getByText('지금은 서버가 이 작업을 할 수 없습니다. 잠시 후 다시 시도하세요.').waitFor();
    await answer.locator('small', { hasText: 'the scripted failure' }).waitFor();
  }

  await page.goto('/admin/models');
  const fetchOne = async (name) => {
    await page.getByLabel(/^허브에서의 이름/).fill(name);
    await page.getByRole('button', { name: '받기', exact: true }).click();
  };
  await fetchOne('org/none');
  await page.getByRole('alert').getByText('이 계정의 그룹은 hub.example에 접속할 수 없습니다.').waitFor();
  const { body: group } = await act(page, 'POST', '/api/admin/groups', { name: 'readers' });
  const { body: me } = await act(page, 'GET', '/api/me');
  await act(page, 'PUT', `/api/admin/groups/${group.id}/rules/egress/hub.example`);
  await act(page, 'PUT', `/api/admin/groups/${group.id}/members/${me.user.id}`);
  await fetchOne('org/none');
  await page.getByRole('listitem').filter({ hasText: 'org/none' }).getByText('허브에 org/none 항목이 없습니다.').waitFor();

  const limit = { kind: 'user', id: '*', name: 'requests_per_minute', value: '0' };
  assert.equal((await act(page, 'POST', '/api/admin/limits', limit)).status, 200);
  const asked = { model: 'plain', messages: [{ role: 'user', content: 'x' }] };
  await s.eventually(async () => (await act(page, 'POST', '/v1/chat/completions', asked)).status, 429);
  await page.goto('/');
  await s.composer(page, KO).fill('하나 더');
  await s.composer(page, KO).press('Enter');
  await page.getByRole('alert').getByText(/^계정 한도는 분당 요청 0개입니다\. 다시 쓸 수 있는 때: \d+[초분] 후\./).waitFor();
  s.assertNoProblems(kim);
  await kim.context.close();
});
