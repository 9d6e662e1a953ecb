// Where live events come from in a browser.
import { Hub } from './hub';
import { SocketSource, type Line } from './socket_source';
import { sseSource } from './sse_source';

function openLine(): Line {
  const url = new URL('/api/live', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(url) as Line;
}

async function isLetIn(): Promise<boolean> {
  const response = await fetch('/api/tags', { credentials: 'same-origin', cache: 'no-store' });
  return response.status !== 401;
}

export function makeHub(): Hub {
  return new Hub(new SocketSource({ open: openLine, isLetIn, instead: sseSource }));
}
