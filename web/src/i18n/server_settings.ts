// Names of the server's settings, what they mean, and names of their values.
import type { LateKey } from './late';

export const SETTINGS: Record<string, { label: LateKey; help?: LateKey }> = {
  model: { label: 'setting.model', help: 'setting.modelHelp' },
  draft_model: { label: 'setting.draft', help: 'setting.draftHelp' },
  embedding_model: { label: 'setting.embedding', help: 'setting.embeddingHelp' },
  rerank_model: { label: 'setting.rerank', help: 'setting.rerankHelp' },
  idle_minutes: { label: 'setting.idle', help: 'setting.idleHelp' },
  context: { label: 'setting.context', help: 'setting.contextHelp' },
  kv_type: { label: 'setting.kvType', help: 'setting.kvTypeHelp' },
  kv_memory_mib: { label: 'setting.kvMemory', help: 'setting.kvMemoryHelp' },
  packed_cache: { label: 'setting.packed', help: 'setting.packedHelp' },
  prefix_cache_disk_mib: { label: 'setting.prefixDisk', help: 'setting.prefixDiskHelp' },
  threads: { label: 'setting.threads', help: 'setting.threadsHelp' },
  precision: { label: 'setting.precision', help: 'setting.precisionHelp' },
  max_running: { label: 'setting.running', help: 'setting.runningHelp' },
  max_waiting: { label: 'setting.waiting', help: 'setting.waitingHelp' },
  speculation: { label: 'setting.speculation', help: 'setting.speculationHelp' },
  secure_cookies: { label: 'setting.cookies', help: 'setting.cookiesHelp' },
  prefix_sharing: { label: 'setting.sharing', help: 'setting.sharingHelp' },
  currency: { label: 'setting.currency', help: 'setting.currencyHelp' },
  log_level: { label: 'setting.log', help: 'setting.logHelp' },
  host: { label: 'setting.host' },
  port: { label: 'setting.port' },
  keys: { label: 'setting.keys' },
  allowed_hosts: { label: 'setting.hosts' },
  allowed_origins: { label: 'setting.origins' },
  database_url: { label: 'setting.database' },
  default_chat_template: { label: 'setting.template' },
  egress_hosts: { label: 'setting.egress' },
  trusted_keys: { label: 'setting.trusted' },
  lang: { label: 'setting.language' },
};

export const CHOICES: Record<string, LateKey> = {
  on: 'setting.on',
  off: 'setting.off',
  auto: 'setting.auto',
  standard: 'setting.standard',
  high: 'setting.high',
  lookup: 'setting.lookup',
  user: 'setting.user',
  organisation: 'setting.organisation',
  debug: 'setting.debug',
  info: 'setting.info',
  warning: 'setting.warning',
  error: 'setting.error',
};

export const GROUPS: Record<string, LateKey> = {
  models: 'setting.groupModels',
  memory: 'setting.groupMemory',
  speed: 'setting.groupSpeed',
  security: 'setting.groupSecurity',
  prices: 'setting.groupPrices',
};
