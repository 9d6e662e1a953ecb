// The page's policy lets scripts be named through this policy alone, and it names ours only.
interface PolicyFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL: (url: string) => unknown };
}
type Policy = ReturnType<PolicyFactory['createPolicy']>;

export const SERVICE_WORKER = '/service_worker.js';
const IS_OURS = /^\/assets\/worker-[\w-]+\.js$/;
let policy: Policy | null = null;

export function trustedScript(url: string): string {
  const types = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
  if (!types) return url;
  policy ??= types.createPolicy('maru-worker', {
    createScriptURL: (wanted) => {
      if (wanted !== SERVICE_WORKER && !IS_OURS.test(wanted)) throw new TypeError('not a worker of ours');
      return wanted;
    },
  });
  return policy.createScriptURL(url) as string;
}
