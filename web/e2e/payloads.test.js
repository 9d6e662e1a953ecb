// What a model, a title or a name may say runs nothing and fetches nothing. A control page without
// a sanitiser shows that the payloads work: at least 90 in 100 of them must fire there.
import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import * as s from './support.js';
import { leaks, N_TECHNIQUES, scripts } from './payloads.js';

const MarkdownIt = createRequire(import.meta.url)('markdown-it');
const PER_MESSAGE = 25;

let server;
let browser;
let person;
before(async () => {
  [server, browser] = await Promise.all([s.startServer(), s.startBrowser()]);
  person = await s.newPerson(browser, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

// Each payload alone, as HTML of Markdown put into a page as it is.
async function firedOnControl(payloads) {
  const md = new MarkdownIt({ html: true });
  md.validateLink = () => true;
  const control = http.createServer((_, response) => response.end('<!doctype html><body>')).listen(0, '127.0.0.1');
  await new Promise((resolve) => control.once('listening', resolve));
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${control.address().port}/`);
  const fired = await page.evaluate(async (list) => {
    const hits = new Set();
    window.fired = (n) => hits.add(n);
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    for (let n = 0; n < list.length; n += 40) {
      const boxes = list.slice(n, n + 40).map((html) => {
        const box = document.createElement('div');
        document.body.append(box);
        box.innerHTML = html;
        return box;
      });
      await wait(60);
      for (const box of boxes) {
        box.querySelectorAll('[autofocus]').forEach((element) => (element.blur(), element.focus()));
        box.querySelectorAll('.press').forEach((element) => element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true })));
      }
      await wait(60);
      boxes.forEach((box) => box.remove());
    }
    return [...hits];
  }, payloads.map((one) => md.render(one.text)));
  await context.close();
  control.close();
  return new Set(fired);
}

test('the payloads work where nothing is sanitised', async () => {
  const list = scripts();
  assert.ok(N_TECHNIQUES >= 60 && list.length >= 1500, `${N_TECHNIQUES} techniques, ${list.length} payloads`);
  const fired = await firedOnControl(list);
  const techniques = new Set(list.filter((_, n) => fired.has(n)).map((one) => one.name));
  const idle = list.filter((_, n) => !fired.has(n)).map((one) => one.text);
  console.log(`control page: ${fired.size} of ${list.length} payloads fired, ${techniques.size} of ${N_TECHNIQUES} techniques`);
  assert.ok(fired.size >= 0.9 * list.length, `${fired.size} of ${list.length}; idle: ${idle.slice(0, 20).join('\n')}`);
});

// Shows messages with `texts`, presses everything in them, and gives what happened.
async function show(texts, title) {
  let nSteps = 0;
  const chats = [];
  for (let n = 0; n < texts.length; n += PER_MESSAGE * 20) {
    const messages = [];
    for (let m = n; m < Math.min(texts.length, n + PER_MESSAGE * 20); m += PER_MESSAGE) {
      messages.push(texts[m], texts.slice(m, m + PER_MESSAGE).join('\n\n'));
    }
    chats.push(await s.chatWith(server, messages, title?.slice(0, 190)));
  }
  const page = await person.context.newPage();
  await page.addInitScript(() => {
    globalThis.hits = [];
    globalThis.fired = (n) => globalThis.hits.push(n);
  });
  for (const chat of chats) {
    await page.goto(`/chat/${chat}`);
    await page.locator('article.answer').first().waitFor();
    for (let i = 0; i < 3 && (await page.locator('.edge button').count()) > 0; ++i) {
      await page.locator('.edge button').click().catch(() => {});
    }
    const pressed = await page.evaluate(async () => {
      document.querySelectorAll('.step .fold > button[aria-expanded=false]').forEach((button) => button.click());
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      const steps = document.querySelectorAll('.step .markdown').length;
      const all = [...document.querySelectorAll('.markdown *, .bubble *, .step .label, nav a *')];
      for (const element of all) {
        element.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
        element.dispatchEvent(new FocusEvent('focus'));
        const link = element.closest('a');
        if (!link || link.protocol === 'javascript:') element.click?.();
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { all: all.length, steps };
    });
    assert.ok(pressed.all > 10, 'the messages are shown');
    nSteps += pressed.steps;
    assert.deepEqual(await page.evaluate(() => globalThis.hits), []);
    const bad = await page.evaluate(() =>
      [...document.querySelectorAll('.markdown *, .bubble *, .step *')]
        .filter((element) => /^(?:script|iframe|object|embed|img|video|audio|form|input|style|link|base|meta)$/i.test(element.tagName)
          || [...element.attributes].some((attribute) => /^on/i.test(attribute.name)))
        .map((element) => element.outerHTML.slice(0, 200)),
    );
    assert.deepEqual(bad, []);
  }
  await page.close();
  return nSteps;
}

test('none of them runs in an answer, a question or a title of ours', async () => {
  const list = scripts();
  const nSteps = await show(list.map((one) => one.text), '<img src=x onerror=fired(0)>');
  assert.ok(nSteps >= list.filter((one) => one.name.startsWith('as a')).length / 2, `${nSteps} steps were shown`);
  s.assertNoProblems(person); // no refused script either: the policy was never needed
});

test('none of them runs while an answer is written', async () => {
  const list = scripts(1).map((one) => one.text);
  const page = await person.context.newPage();
  await page.addInitScript(() => {
    globalThis.hits = [];
    globalThis.fired = (n) => globalThis.hits.push(n);
  });
  await page.goto('/');
  await s.chooseModel(page, 'echo'); // it answers with what it was asked, token by token
  for (let n = 0; n < list.length; n += 22) {
    await page.getByRole('link', { name: 'New chat' }).click();
    await s.ask(page, list.slice(n, n + 22).join('\n\n'));
  }
  assert.deepEqual(await page.evaluate(() => globalThis.hits), []);
  s.assertNoProblems(person);
  await page.close();
});

test('no request leaves for another host, whatever an answer says', async () => {
  const list = leaks();
  assert.ok(list.length >= 400);
  await show(list.map((one) => one.text));
  s.assertNoProblems(person);
});
