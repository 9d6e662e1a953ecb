// One line to the server for all tabs of this browser.
import { servePort } from './port';
import { makeHub } from './source';

const hub = makeHub();
addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0];
  if (port) servePort(port, hub);
});
