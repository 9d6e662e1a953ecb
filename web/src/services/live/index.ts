// Live events for this page: over the SharedWorker that all tabs have in common, or by the page
// itself where there is none (Chrome on Android).
import type { LiveSource } from './events';
import { portSource } from './port';
import { makeHub } from './source';
import workerUrl from './worker?sharedworker&url';

export type { AnswerEvent, ChangeEvent } from './events';

let source: LiveSource | null = null;

interface PolicyFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL: (url: string) => unknown };
}

// The page's policy lets scripts be named by this policy alone, and this one names the worker only.
function trusted(url: string): string {
  const types = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
  if (!types) return url;
  const policy = types.createPolicy('maru-worker', {
    createScriptURL: (wanted) => {
      if (wanted !== workerUrl) throw new TypeError('not the worker');
      return wanted;
    },
  });
  return policy.createScriptURL(url) as string;
}

function connect(): LiveSource {
  if (typeof SharedWorker === 'undefined') return makeHub();
  try {
    const worker = new SharedWorker(trusted(workerUrl), { type: 'module', name: 'maru' });
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
