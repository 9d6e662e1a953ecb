// Requests to our own server: JSON in, JSON out, errors as ApiFailure.
import { loadErrorWords, type Told, type Values } from '../i18n/errors.svelte';
import { dropAnswer, findAnswer, keepAnswer } from './kept';

export class ApiFailure extends Error implements Told {
  constructor(
    readonly status: number, // 0: the server was not reached
    readonly code: string,
    message: string, // English, for who looks closely; the words are found by `reason`
    readonly param: string | null = null,
    readonly reason = 'internal',
    readonly values: Values = {},
    readonly request: string | null = null, // its id in the server's log
  ) {
    super(message);
  }
}

export const isGone = (error: unknown): boolean => error instanceof ApiFailure && error.status === 404;

let csrfToken = '';
let onUnauthenticated: () => void = () => {};
let onReach: (isReached: boolean) => void = () => {};

export function setCsrfToken(token: string): void {
  csrfToken = token;
}

// Called when a request finds that nobody is logged in any more.
export function setOnUnauthenticated(callback: () => void): void {
  onUnauthenticated = callback;
}

// Called after each request: whether the server was reached.
export function setOnReach(callback: (isReached: boolean) => void): void {
  onReach = callback;
}

export interface RequestOptions {
  body?: unknown;
  query?: Record<string, string | number | boolean | undefined>;
  signal?: AbortSignal;
  accept?: string;
  language?: string; // of the answer; else the browser's
  keep?: boolean; // to be read again without a network
  isFresh?: boolean; // not what was kept
  expectsLogin?: boolean; // a 401 is an answer, not the end of the session
}

function urlOf(path: string, query: RequestOptions['query']): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== '') params.set(name, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

interface WireError {
  message?: string;
  code?: string | null;
  param?: string | null;
  reason?: string;
  values?: Values;
}

// Where the body tells none: of HTTP itself, of addresses beside /api/, of a proxy.
export const REASONS: Record<number, string> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'unknown_url',
  408: 'request_timeout',
  409: 'conflict',
  413: 'request_too_large',
  415: 'unsupported_media_type',
  426: 'upgrade_required',
  429: 'rate_limited',
  431: 'header_too_large',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

export async function failureOf(response: Response): Promise<ApiFailure> {
  const { status } = response;
  const [body] = await Promise.all([response.json().catch(() => null), loadErrorWords()]);
  const error: WireError = (body as { error?: WireError } | null)?.error ?? {};
  return new ApiFailure(
    status,
    error.code ?? '',
    error.message ?? `HTTP ${status}`,
    error.param ?? null,
    error.reason ?? REASONS[status] ?? 'internal',
    error.values ?? {},
    response.headers.get('x-request-id'),
  );
}

async function send(method: string, path: string, options: RequestOptions): Promise<Response> {
  const headers: Record<string, string> = {};
  if (options.accept) headers['Accept'] = options.accept;
  if (options.language) headers['Accept-Language'] = options.language;
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrfToken) headers['X-CSRF-Token'] = csrfToken;
  let response: Response;
  try {
    response = await fetch(urlOf(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    onReach(false);
    throw new ApiFailure(0, 'unreachable', 'unreachable');
  }
  onReach(true);
  if (!response.ok) {
    if (response.status === 401 && !options.expectsLogin) onUnauthenticated();
    throw await failureOf(response);
  }
  return response;
}

export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const address = urlOf(path, options.query);
  try {
    const answer = (await (await send(method, path, options)).json()) as T;
    if (options.keep) keepAnswer(address, answer);
    else if (method === 'DELETE') dropAnswer(address);
    return answer;
  } catch (error) {
    if (!options.keep || !(error instanceof ApiFailure)) throw error;
    const kept = error.status === 0 && !options.isFresh ? await findAnswer<T>(address) : null;
    if (error.status === 404) dropAnswer(address);
    if (kept === null) throw error;
    return kept;
  }
}

export async function requestText(path: string, options: RequestOptions = {}): Promise<string> {
  return (await send('GET', path, options)).text();
}
