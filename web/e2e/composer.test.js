// The message field: prompts by "/", models by "@", files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { person, server } from './suite.js';
import * as s from './support.js';

test('a prompt is kept in the library, and "/" asks for its values', async () => {
  const page = await s.openPage(person);
  await page.getByRole('link', { name: 'Library' }).click();
  await page.getByRole('button', { name: 'Add a prompt' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a prompt' });
  await dialog.getByRole('textbox', { name: 'Name' }).fill('translate');
  await dialog.getByRole('textbox', { name: 'Text' }).fill('Translate into {{language}}: {{ text }} ({{language}} only)');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText('/translate').waitFor();
  await s.call(server, 'POST', '/api/prompts', { name: 'greet', content: 'Say hello.' });
  await page.getByRole('link', { name: 'Back to the chat' }).click();

  const composer = s.composer(page);
  await composer.pressSequentially('/');
  const list = page.getByRole('listbox', { name: 'Prompts' });
  await s.eventually(() => list.getByRole('option').count(), 2);
  await composer.pressSequentially('ran'); // in the middle of the name is enough
  await s.eventually(() => list.getByRole('option').count(), 1);
  await composer.press('Enter'); // chooses, sends nothing
  const values = page.getByRole('dialog', { name: 'translate' });
  await values.getByRole('textbox', { name: 'language' }).fill('한국어');
  await values.getByRole('textbox', { name: 'text' }).fill('a hall');
  await values.getByRole('button', { name: 'Insert' }).click();
  await s.eventually(() => composer.inputValue(), 'Translate into 한국어: a hall (한국어 only)');
  assert.equal(await s.answers(page).count(), 0);

  await composer.fill('');
  await composer.pressSequentially('/');
  await list.getByRole('option', { name: 'greet' }).waitFor();
  await composer.press('ArrowDown');
  await s.eventually(() => list.getByRole('option', { selected: true }).innerText().then((text) => text.includes('translate')), true);
  await composer.press('ArrowUp');
  await composer.press('Tab');
  await s.eventually(() => composer.inputValue(), 'Say hello.');
  await composer.press('Enter'); // now it sends
  await s.ended(s.answers(page).first());
  assert.equal(await page.locator('.bubble').innerText(), 'Say hello.');
});

test('Escape leaves a slash as it is, and it is sent', async () => {
  const page = await s.openPage(person);
  await s.composer(page).pressSequentially('/etc');
  await page.getByText('Nothing of that name.').waitFor();
  await s.composer(page).press('Escape');
  await page.getByText('Nothing of that name.').waitFor({ state: 'detached' });
  await s.composer(page).press('Enter');
  await s.ended(s.answers(page).first());
  assert.equal(await page.locator('.bubble').innerText(), '/etc');
});

test('"@" changes the model, also in the middle of a chat', async () => {
  const page = await s.openPage(person);
  await s.ask(page, 'first');
  await s.composer(page).pressSequentially('now you @para');
  await page.getByRole('option', { name: 'parameters' }).waitFor();
  await s.composer(page).press('Enter');
  await s.eventually(() => s.composer(page).inputValue(), 'now you ');
  await page.getByRole('button', { name: 'Model: parameters' }).waitFor();
  await s.composer(page).press('Enter');
  await s.answers(page).nth(1).getByText('temperature=').waitFor();
});

test('files are picked, and hostile names stay words', async () => {
  const page = await s.openPage(person);
  const name = '"><img src=x onerror=alert(1)>`](javascript:alert(1)).md';
  await page.evaluate(() => (globalThis.alert = () => (globalThis.fired = true)));
  const [picker] = await Promise.all([
    page.waitForEvent('filechooser'),
    page.getByRole('button', { name: 'Attach text files' }).click(),
  ]);
  await picker.setFiles([
    { name, mimeType: 'text/markdown', buffer: Buffer.from('# in the file\n````\nstill in it\n') },
    { name: 'b.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 1, 2]) },
  ]);
  await page.getByText('b.bin is not a text file.').waitFor();
  await s.eventually(async () => (await s.composer(page).inputValue()).includes('`````md\n# in the file'), true);
  await s.chooseModel(page, 'echo');
  await s.composer(page).press('Enter');
  const answer = s.answers(page).first();
  await s.ended(answer);
  await answer.getByText('still in it').waitFor();
  assert.equal(await page.locator('article img').count(), 0);
  assert.equal(await page.evaluate(() => globalThis.fired), undefined);
});
