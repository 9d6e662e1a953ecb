// Assistants, shares by link, and chats that come from other programs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { scripts } from './payloads.js';
import { browser, person, server } from './suite.js';
import * as s from './support.js';

// One red pixel.
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC',
  'base64',
);

test('an assistant is made, with a picture, and its starter begins a chat by its rules', async () => {
  const page = await s.openPage(person, '/library');
  await page.getByRole('button', { name: 'Add an assistant' }).click();
  const form = page.getByRole('dialog', { name: 'Add an assistant' });
  await form.getByRole('textbox', { name: 'Name' }).fill('Guide');
  await form.getByLabel('Image').setInputFiles({ name: 'red.png', mimeType: 'image/png', buffer: PNG });
  await form.getByRole('button', { name: 'Without the image' }).waitFor();
  await form.getByRole('textbox', { name: 'Instructions' }).fill('Answer as a guide of palaces.');
  await form.getByRole('combobox', { name: 'Model' }).selectOption('echo');
  await form.getByRole('textbox', { name: 'Questions to begin with' }).fill('Where do I begin?\nWhat is a maru?');
  await form.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('link', { name: 'Chat with Guide' }).click();
  await page.getByRole('heading', { name: 'Guide' }).waitFor();
  await page.reload(); // its address is a page too
  await page.getByRole('heading', { name: 'Guide' }).waitFor();
  const picture = page.locator('main img');
  assert.match(await picture.getAttribute('src'), /^data:image\/png;base64,/);
  await s.eventually(() => picture.evaluate((image) => image.complete && image.naturalWidth), 96);
  await page.getByRole('list', { name: 'Questions to begin with' }).getByRole('button', { name: 'What is a maru?' }).click();
  const answer = s.answers(page).first();
  await s.ended(answer);
  await answer.getByText('Answer as a guide of palaces.').waitFor();
  await page.goto('/library');
  await page.getByRole('button', { name: 'Delete: Guide' }).click();
  await page.getByText('No assistants yet.').waitFor();
});

test('a chat is shared by a link up to here, and taken back', async () => {
  const id = await s.chatWith(server, ['a question for all', 'an **answer** for all'], 'to be shared');
  const page = await s.openPage(person, `/chat/${id}`);
  await s.chatList(page).getByRole('button', { name: 'Actions for to be shared' }).click();
  await page.getByRole('menuitem', { name: 'Share' }).click();
  const dialog = page.getByRole('dialog', { name: 'Share' });
  await dialog.getByRole('button', { name: 'New link' }).click();
  const link = await dialog.getByRole('textbox').inputValue();
  assert.equal(new URL(link).origin, server.url);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  await s.call(server, 'POST', `/api/chats/${id}/messages`, { content: 'said later' });

  const other = await s.newPerson(browser, server, { language: 'ko' });
  const reading = await s.openPage(other, link);
  await reading.getByRole('heading', { name: 'to be shared' }).waitFor();
  await reading.locator('strong', { hasText: 'answer' }).waitFor();
  assert.equal(await reading.getByText('said later').count(), 0);
  await dialog.getByRole('button', { name: 'Take back' }).click();
  await s.eventually(() => dialog.getByRole('textbox').count(), 0);
  await reading.reload();
  await reading.getByText('이 링크로 볼 수 있는 내용이 없거나').waitFor();
  s.assertNoProblems(other);
  await other.context.close();
});

function zip(name, data, lies = data.length) {
  const packed = deflateRawSync(data);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(8, 8);
  local.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(lies, 24);
  entry.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(local.length + name.length + packed.length, 16);
  return Buffer.concat([local, Buffer.from(name), packed, entry, Buffer.from(name), end]);
}
const take = (page, name, buffer) =>
  page.locator('input[type=file][accept*=zip]').setInputFiles({ name, mimeType: 'application/octet-stream', buffer });

function chatGpt(title, messages) {
  const mapping = { root: { id: 'root', parent: null, message: null } };
  messages.forEach(([role, words], i) => {
    mapping[`m${i}`] = {
      id: `m${i}`,
      parent: i === 0 ? 'root' : `m${i - 1}`,
      message: { author: { role }, content: { content_type: 'text', parts: [words] }, create_time: 1_700_000_000 + i },
    };
  });
  return { title, create_time: 1_700_000_000, mapping, current_node: `m${messages.length - 1}` };
}

test("ChatGPT's archive and Claude's come in, and broken ones are told", async () => {
  const page = await s.openPage(person, '/library');
  const gpt = [chatGpt('여행 계획', [['user', '제주도?'], ['assistant', 'Yes, **Jeju**.']]), chatGpt('Second', [['user', 'x']])];
  await take(page, 'chatgpt.zip', zip('conversations.json', Buffer.from(JSON.stringify(gpt))));
  await page.getByText('2 chats are here now.').waitFor();
  const claude = [{ name: 'From Claude', chat_messages: [{ sender: 'human', text: 'hello' }, { sender: 'assistant', text: 'hi there' }] }];
  await take(page, 'conversations.json', Buffer.from(JSON.stringify(claude)));
  await page.getByText('1 chat is here now.').waitFor();
  await take(page, 'broken.zip', Buffer.from('PK\x03\x04 and nothing'));
  await page.getByText('No chats were found in this file.').waitFor();
  // 500 MB of blanks in half a megabyte, which say that they are ten bytes.
  await take(page, 'bomb.zip', zip('conversations.json', Buffer.alloc(500 << 20, 0x20), 10));
  await page.getByText('The archive is too large').waitFor();

  await page.getByRole('link', { name: 'Back to the chat' }).click();
  await s.chatList(page).getByRole('link', { name: 'From Claude' }).waitFor();
  await s.chatList(page).getByRole('link', { name: '여행 계획' }).click();
  await s.answers(page).locator('strong', { hasText: 'Jeju' }).waitFor();
  await s.composer(page).fill('and then?');
  await s.composer(page).press('Enter'); // it goes on here
  await s.ended(s.answers(page).nth(1));
});

test('scripts in imported chats and their titles stay words', async () => {
  const all = scripts();
  await person.context.addInitScript(() => {
    globalThis.hits = [];
    globalThis.fired = (n) => globalThis.hits.push(n);
  });
  assert.ok(all.length >= 1500);
  const page = await s.openPage(person, '/library');
  const size = 65;
  const chats = [];
  for (let i = 0; i < all.length; i += size) {
    const part = all.slice(i, i + size);
    chats.push(chatGpt(part[0].text.slice(0, 190), part.map((one, at) => [at % 2 ? 'user' : 'assistant', one.text])));
  }
  await take(page, 'conversations.json', Buffer.from(JSON.stringify(chats)));
  await page.getByText(`${chats.length} chats are here now.`).waitFor();
  const { data } = await s.call(server, 'GET', '/api/chats?limit=200');
  const imported = data.filter((chat) => chat.created_at === 1_700_000_000_000);
  assert.ok(imported.length >= chats.length);
  // A sample of them on the page; all spellings are in payloads.test.js, by the same components.
  for (const chat of imported.slice(0, 6)) {
    await page.goto(`/chat/${chat.id}`);
    await s.answers(page).first().waitFor();
    assert.deepEqual(await page.evaluate(() => globalThis.hits), []);
    assert.equal(await page.locator('main img, main iframe, main script, main form form, main object, main embed').count(), 0);
  }
});
