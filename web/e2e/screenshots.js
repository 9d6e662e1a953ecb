// The pictures of docs/images: main pages with the small real model, in both languages and themes.
//   script/e2e --screenshots
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import * as s from './support.js';

const folder = path.join(import.meta.dirname, '../../docs/images');
mkdirSync(folder, { recursive: true });

const MODEL = 'SmolLM2-135M-Instruct';
const [server, browser] = await Promise.all([s.startRealServer([MODEL]), s.startBrowser()]);

async function person(language, colorScheme, more = {}) {
  return s.newPerson(browser, server, { language, colorScheme, viewport: { width: 1120, height: 700 }, ...more });
}

async function shoot(page, name) {
  await page.evaluate(() => document.fonts.ready);
  await page.waitForTimeout(1_500); // texts come smoothly
  await page.mouse.move(0, 0);
  await page.screenshot({ path: path.join(folder, `${name}.png`), animations: 'disabled', caret: 'hide' });
}

// The model's own words: no sampling, so that the pictures can be made again.
const chat = await s.call(server, 'POST', '/api/chats', { settings: { model: MODEL, temperature: 0, max_tokens: 160 } });
const address = `/chat/${chat.id}`;
const english = await person('en', 'light');
const page = await s.openPage(english, address);
await s.ask(page, 'Give me three tips for writing a clear e-mail.');
await page.getByRole('button', { name: 'Details', exact: true }).last().click();
await shoot(page, 'chat-en');
await english.context.close();

const dark = await person('ko', 'dark');
await shoot(await chatAt(dark, address), 'chat-ko-dark');
const phone = await person('ko', 'light', { viewport: { width: 360, height: 640 } });
await shoot(await chatAt(phone, address), 'phone-ko');
await phone.context.close();

// Pages for administrators need one.
const models = await s.openPage(dark);
await models.evaluate(
  (admin) => fetch('/api/first-admin', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(admin) }),
  { name: 'kim', password: s.PASSWORD },
);
await models.goto('/admin/models');
await models.getByRole('row', { name: new RegExp(`^${MODEL}`) }).waitFor();
await shoot(models, 'models-ko-dark');
await dark.context.close();

await browser.close();
await server.stop();

async function chatAt(someone, at) {
  const opened = await s.openPage(someone, at);
  await s.answers(opened, someone.words).first().waitFor();
  return opened;
}
