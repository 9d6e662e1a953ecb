// What a model has written into a call: the name of the tool and its arguments.

const TOKENS = /"(?:[^"\\]|\\[^])*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;
const DEEPEST = 24; // what is nested deeper is not indented further

// Behind the value of JSON that begins at `begin` with a bracket; -1: it has not ended.
export function endOfValue(text: string, begin: number): number {
  const next = /\\[^]|["{}[\]]/g;
  next.lastIndex = begin;
  let depth = 0;
  let isString = false;
  for (let found = next.exec(text); found; found = next.exec(text)) {
    const word = found[0];
    if (word === '"') isString = !isString;
    if (isString || word === '"' || word[0] === '\\') continue;
    depth += word === '{' || word === '[' ? 1 : -1;
    if (depth === 0) return next.lastIndex;
  }
  return -1;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown) => (typeof value === 'string' ? value : '');

// A member's value as it is written, so that no digit of a number is lost.
function sourceOf(json: string, key: string): string | null {
  let depth = 0;
  let begin = -1;
  let last = '';
  for (const { 0: word, index } of json.matchAll(TOKENS)) {
    if (begin >= 0 && depth === 1 && (word === ',' || word === '}')) return json.slice(begin, index).trim();
    if (depth === 1 && word === ':' && begin < 0 && parsed(last) === key) begin = index + 1;
    if (word === '{' || word === '[') ++depth;
    if (word === '}' || word === ']') --depth;
    last = word;
  }
  return null;
}

function argumentsOf(json: string): string | null {
  const source = sourceOf(json, 'arguments') ?? sourceOf(json, 'parameters');
  if (source === null) return '{}';
  const inner = parsed(source); // some write them as JSON in a string
  return typeof inner === 'string' && parsed(inner) !== undefined ? inner : source;
}

// Qwen3-Coder: <function=name><parameter=key>value</parameter></function>
function readTags(raw: string): { name: string; args: string | null } | null {
  const name = /^\s*<function=([^>\n]+)>/.exec(raw)?.[1]?.trim();
  if (name === undefined) return null;
  const whole = raw.slice(0, raw.lastIndexOf('</parameter>') + 12); // so that each that begins here finds an end
  const values = [...whole.matchAll(/<parameter=([^<>\n]+)>\n?([^]*?)\n?<\/parameter>/g)];
  return { name, args: JSON.stringify(Object.fromEntries(values.map((one) => [one[1]!.trim(), one[2]]))) };
}

// `isWhole`: no more follows. What can't be read has no name or no arguments; nothing is thrown.
export function readCall(raw: string, isWhole: boolean): { name: string; args: string | null } {
  const tags = readTags(raw);
  if (tags) return isWhole ? tags : { name: tags.name, args: null };
  const named = /^\s*([\w.:-]+?)(?:\[CALL_ID\][\w-]+)?(?:\[ARGS\])?\s*(\{[^]*)$/.exec(raw);
  if (named) return { name: named[1]!, args: parsed(named[2]!) === undefined ? null : named[2]! };
  const early = /^\s*\{\s*(?:"type"\s*:\s*"function"\s*,\s*)?"name"\s*:\s*("(?:[^"\\\n]|\\.)*")/.exec(raw)?.[1];
  const whole = isWhole ? parsed(raw) : undefined;
  if (!isObject(whole)) return { name: text(parsed(early ?? '')), args: null };
  const call = isObject(whole['function']) ? (sourceOf(raw, 'function') ?? raw) : raw;
  return { name: text((isObject(whole['function']) ? whole['function'] : whole)['name']), args: argumentsOf(call) };
}

const shownString = (word: string) => (word.includes('\\u') ? JSON.stringify(parsed(word)) : word);

// JSON over several lines; null where it is none. Strings are shown in their letters, numbers as
// they were written.
export function indented(json: string): string | null {
  if (parsed(json) === undefined) return null;
  const words = [...json.matchAll(TOKENS)].map((one) => one[0]);
  let depth = 0;
  const line = () => `\n${'  '.repeat(Math.min(depth, DEEPEST))}`;
  const out: string[] = [];
  words.forEach((word, i) => {
    const isEmpty = words[i + 1] === '}' || words[i + 1] === ']';
    if (word === '{' || word === '[') {
      ++depth;
      out.push(word, isEmpty ? '' : line());
    } else if (word === '}' || word === ']') {
      --depth;
      out.push(words[i - 1] === '{' || words[i - 1] === '[' ? '' : line(), word);
    } else if (word === ',') {
      out.push(word, line());
    } else {
      out.push(word === ':' ? ': ' : word[0] === '"' ? shownString(word) : word);
    }
  });
  return out.join('');
}
