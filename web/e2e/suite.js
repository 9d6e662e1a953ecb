// One server and one browser for the flows of a file, and a fresh person for each of them, who must
// have met no problem at its end. Importing it is all there is to do.
import { after, afterEach, before, beforeEach } from 'node:test';
import * as s from './support.js';

export let server;
export let browser;
export let person;
before(async () => {
  [server, browser] = await Promise.all([s.startServer(), s.startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(async () => {
  person = await s.newPerson(browser, server);
});
afterEach(async () => {
  s.assertNoProblems(person);
  await person.context.close();
});
