// Figures for docs/web.md: how long a chat of 5,000 messages takes to open and to scroll, and the
// long tasks of the main thread while an answer is written. Not a test: nothing fails.
//   script/e2e --figures
import * as s from './support.js';

const N_MESSAGES = 5000;
const words = '마루는 열린 공간입니다. The maru is an open hall, with **bold words**, `code` and a list:\n\n- one\n- two\n\n';

const [server, browser] = await Promise.all([s.startServer({ context: 16384 }), s.startBrowser()]);
const person = await s.newPerson(browser, server);
const page = await person.context.newPage();
await page.addInitScript(() => {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => globalThis.longTasks.push(Math.round(entry.duration)))).observe({
    type: 'longtask',
    buffered: true,
  });
});
const longTasks = () => page.evaluate(() => globalThis.longTasks.splice(0));

const chat = await s.chatWith(server, Array.from({ length: N_MESSAGES }, (_, i) => `no${i} ${words}`), 'long');
const opened = [];
for (let i = 0; i < 5; ++i) {
  await page.goto('/settings');
  await page.getByRole('heading').first().waitFor();
  // From the press on the way back to the last message on the screen.
  opened.push(
    await page.evaluate(
      ({ at, last }) =>
        new Promise((resolve) => {
          const began = performance.now();
          history.pushState(null, '', at);
          dispatchEvent(new PopStateEvent('popstate'));
          const look = () => {
            const answer = [...document.querySelectorAll('article.answer')].at(-1);
            if (answer?.textContent?.includes(last)) requestAnimationFrame(() => resolve(Math.round(performance.now() - began)));
            else requestAnimationFrame(look);
          };
          look();
        }),
      { at: `/chat/${chat}`, last: `no${N_MESSAGES - 1} ` },
    ),
  );
}
opened.sort((a, b) => a - b);
console.log(`a chat of ${N_MESSAGES} messages opens in ${opened[2]} ms (median of ${opened.join(', ')})`);
await longTasks();
await page.evaluate(async () => {
  const scroller = document.querySelector('.scroller');
  for (let i = 0; i < 120; ++i) {
    scroller.scrollBy(0, -400);
    await new Promise(requestAnimationFrame);
  }
});
console.log(`long tasks while scrolling 48,000 pixels: ${JSON.stringify(await longTasks())}`);

await page.goto('/');
await s.composer(page).waitFor();
await s.chooseModel(page, 'long');
await page.waitForTimeout(500);
await longTasks();
const began = Date.now();
await s.composer(page).fill('write much');
await s.composer(page).press('Enter');
await s.stopButton(page).waitFor();
await page.waitForTimeout(6_000);
const length = await page.evaluate(() => document.querySelector('.answer .markdown').textContent.length);
if (await s.stopButton(page).count()) await s.stopButton(page).click();
const seconds = (Date.now() - began) / 1000;
console.log(`${Math.round(length / ' and so on'.length * 3)} tokens in ${seconds.toFixed(1)} s, long tasks: ${JSON.stringify(await longTasks())}`);
await browser.close();
await server.stop();
