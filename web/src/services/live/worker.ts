// One line to the server for all tabs of this browser.
import { Hub } from './hub';
import { servePort } from './port';
import { sseSource } from './sse_source';

const hub = new Hub(sseSource);
addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0];
  if (port) servePort(port, hub);
});
