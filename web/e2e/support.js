// What the flows have in common: the real server over the scripted engine, and Debian's Chromium.
// MARU_BUILD_BIN, MARU_TEST_MODELS and MARU_CHROMIUM say where things are (script/e2e sets them).
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run this through script/e2e`);
  return value;
}

// Long, because machines that build beside are slow; nothing waits for its end unless it fails.
const TIMEOUT_MS = 30_000;

const MODEL_FILE = 'SmolLM2-135M-Instruct.Q4_1.gguf';

export const WORDS = {
  en: { message: 'Message', send: 'Send', stop: 'Stop', chats: 'Chats', answer: 'Answer', edit: 'Edit' },
  ko: { message: '메시지', send: '보내기', stop: '중지', chats: '대화', answer: '답변', edit: '수정' },
};

// `people`: names of accounts that are made first; without, everybody is let in, as on loopback.
export async function startServer({ people = [], ...settings } = {}) {
  const home = mkdtempSync(path.join(os.tmpdir(), 'maru-e2e-'));
  const bin = required('MARU_BUILD_BIN');
  for (const [i, name] of people.entries()) {
    const role = i === 0 ? 'admin' : 'member';
    const made = spawnSync(path.join(bin, 'maru'), ['users', 'add', name, '--role', role, '--password'], {
      input: `${PASSWORD}\n`,
      env: { ...process.env, MARU_HOME: home },
      encoding: 'utf8',
    });
    assert.equal(made.status, 0, made.stderr);
  }
  const model = path.join(required('MARU_TEST_MODELS'), MODEL_FILE);
  const all = { database: path.join(home, 'maru.db'), heartbeat_ms: 200, ...settings };
  const process_ = spawn(
    path.join(bin, 'maru_scripted_server'),
    [model, ...Object.entries(all).map(([key, value]) => `${key}=${value}`)],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  );
  const [port, token] = await new Promise((resolve, reject) => {
    process_.stdout.once('data', (line) => resolve(String(line).trim().split(' ')));
    process_.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    token, // of the first admin's link, with the setting first_admin
    async stop() {
      const ended = new Promise((resolve) => process_.once('exit', resolve));
      process_.stdin.end();
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

// `maru serve` as people start it, with these names for the one small model that the tests have.
export async function startRealServer(names) {
  const home = mkdtempSync(path.join(os.tmpdir(), 'maru-e2e-'));
  mkdirSync(path.join(home, 'models'));
  for (const name of names) {
    copyFileSync(path.join(required('MARU_TEST_MODELS'), MODEL_FILE), path.join(home, 'models', `${name}.gguf`));
  }
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const process_ = spawn(
    path.join(required('MARU_BUILD_BIN'), 'maru'),
    ['serve', '--model', names[0], '--port', String(port), '--context', '1024', '--prefix-cache-disk-mib', '0'],
    { env: { ...process.env, MARU_HOME: home }, stdio: 'ignore' },
  );
  const url = `http://127.0.0.1:${port}`;
  await eventually(() => fetch(`${url}/ready`).then((answer) => answer.ok, () => false), true, 120_000);
  return {
    url,
    async stop() {
      const ended = new Promise((resolve) => process_.once('exit', resolve));
      process_.kill('SIGTERM');
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

// A line to the server that can be cut: everything on it ends, and nothing new comes through until
// it is mended. Connections whose first bytes match `refuses` are closed.
export async function startLine(server, { refuses } = {}) {
  const { port } = new URL(server.url);
  const ends = new Set();
  const line = { refused: 0 };
  let isCut = false;
  const listener = net.createServer((near) => {
    const far = net.connect(Number(port), '127.0.0.1');
    const end = () => {
      ends.delete(end);
      near.destroy();
      far.destroy();
    };
    ends.add(end);
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    if (isCut) return end();
    near.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (refuses?.test(text)) {
        line.refused += 1;
        return end();
      }
      // The server knows itself by its own address only.
      far.write(Buffer.from(text.replaceAll(new URL(line.url).host, `127.0.0.1:${port}`), 'latin1'));
    });
    far.pipe(near);
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return Object.assign(line, {
    url: `http://127.0.0.1:${listener.address().port}`,
    cut() {
      isCut = true;
      [...ends].forEach((end) => end());
    },
    mend() {
      isCut = false;
    },
    stop: () => new Promise((resolve) => (line.cut(), listener.close(resolve))),
  });
}

export const PASSWORD = 'correct horse battery';

export async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.MARU_CHROMIUM ?? '/usr/bin/chromium',
    // In containers one is root, which Chromium's own sandbox does not like.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
}

// A fresh person: own cookies, own storage. Everything that goes wrong in the page, and every
// request that would leave the server's host, is kept in `problems`.
export async function newPerson(browser, server, { language = 'en', ...options } = {}) {
  const context = await browser.newContext({
    baseURL: server.url,
    locale: language === 'ko' ? 'ko-KR' : 'en-GB',
    timezoneId: 'Asia/Seoul',
    viewport: { width: 1280, height: 800 },
    permissions: ['clipboard-read', 'clipboard-write'],
    serviceWorkers: 'block', // each new person would fetch all files for it
    ...options,
  });
  context.setDefaultTimeout(TIMEOUT_MS);
  const problems = [];
  context.on('console', (message) => {
    // Answers of 4xx are told by the browser too; the flows that expect them look at the page.
    if (message.type() === 'error' && !/^(?:Failed to load resource|WebSocket connection)/.test(message.text())) {
      problems.push(`console: ${message.text()}`);
    }
  });
  context.on('weberror', (error) => problems.push(`error: ${error.error().stack}`));
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && url.origin !== server.url) problems.push(`request: ${request.url()}`);
  });
  return { context, problems, words: WORDS[language], server };
}

export async function openPage(person, at = '/') {
  const page = await person.context.newPage();
  await page.goto(at);
  return page;
}

export function assertNoProblems(person) {
  assert.deepEqual(person.problems, []);
}

export const composer = (page, words = WORDS.en) => page.getByRole('textbox', { name: words.message, exact: true });
export const answers = (page, words = WORDS.en) => page.getByRole('article', { name: words.answer, exact: true });
export const sendButton = (page, words = WORDS.en) => page.getByRole('button', { name: words.send, exact: true });
export const stopButton = (page, words = WORDS.en) => page.getByRole('button', { name: words.stop, exact: true });
export const chatList = (page, words = WORDS.en) => page.getByRole('list', { name: words.chats, exact: true });

export async function chooseModel(page, name) {
  await page.getByRole('button', { name: /^(Model|모델):/ }).click();
  await page.getByRole('menuitemradio', { name: new RegExp(`^${name}\\b`) }).click();
}

// Sends with the keyboard and waits for the answer's end.
export async function ask(page, text, words = WORDS.en) {
  const before = await answers(page, words).count();
  await composer(page, words).fill(text);
  await composer(page, words).press('Enter');
  const answer = answers(page, words).nth(before);
  await ended(answer);
  return answer;
}

export async function ended(answer, state = 'complete') {
  await answer.and(answer.page().locator(`[data-state=${state}]`)).waitFor();
}

// Waits until `read` gives what is wanted.
export async function eventually(read, wanted, ms = TIMEOUT_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await read();
    try {
      assert.deepEqual(value, wanted);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// What axe finds serious or critical on the page as it is.
export async function axeFindings(page) {
  // By the protocol, not as a script of the page, which its policy would refuse.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`).join(' | ')}`);
}

// The API as a script calls it, for what a flow starts from.
export async function call(server, method, at, body) {
  const response = await fetch(server.url + at, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(response.ok, `${method} ${at}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

// A chat with these messages, in turn a question and an answer; gives its id.
export async function chatWith(server, messages, title) {
  const chat = await call(server, 'POST', '/api/chats', { settings: { model: 'plain' }, ...(title ? { title } : {}) });
  for (const [i, content] of messages.entries()) {
    await call(server, 'POST', `/api/chats/${chat.id}/messages`, { role: i % 2 ? 'assistant' : 'user', content });
  }
  return chat.id;
}
