// Live events for this page: over the SharedWorker that all tabs have in common, or by the page
// itself where there is none (Chrome on Android).
import type { LiveSource } from './events';
import { portSource } from './port';
import { makeHub } from './source';
import { trustedScript } from '../trusted';
import workerUrl from './worker?sharedworker&url';

export type { AnswerEvent, ChangeEvent } from './events';

let source: LiveSource | null = null;

function connect(): LiveSource {
  if (typeof SharedWorker === 'undefined') return makeHub();
  try {
    const worker = new SharedWorker(trustedScript(workerUrl), { type: 'module', name: 'maru' });
    const remote = portSource(worker.port);
    // The worker does not learn that a page is gone. A page that comes back from the browser's
    // memory of pages begins anew.
    addEventListener('pagehide', () => remote.bye());
    addEventListener('pageshow', (event) => event.persisted && location.reload());
    return remote;
  } catch {
    return makeHub();
  }
}

export function live(): LiveSource {
  source ??= connect();
  return source;
}
