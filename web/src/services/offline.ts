// The page opens without a network after it was opened once (src/service_worker.ts). Only in the
// built page: while one works on it, files have other names at each start.
import { SERVICE_WORKER, trustedScript } from './trusted';

export function openWithoutNetwork(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  // After the first paint, which it would slow down.
  addEventListener('load', () => void navigator.serviceWorker.register(trustedScript(SERVICE_WORKER)).catch(() => {}));
}
