// Takes the text of an answer apart: its words, its thinking, the tools it calls and what they gave.
// Models write all of it into one text, between marks:
//   <think>..</think> (Qwen, DeepSeek, SmolLM3), [THINK]..[/THINK] (Mistral)
//   <tool_call>..</tool_call>, <tool_response>..</tool_response> (Hermes, Qwen)
//   [TOOL_CALLS][{..}, {..}], [TOOL_CALLS]name[ARGS]{..} (Mistral), <|python_tag|>.. (Llama 3.1)
// Marks in code, behind a backslash, or spoken of in a sentence are words. So is JSON without a mark.
//
// The text may still grow. What may become a mark is held back until it is known, so that a part
// only ever grows and none is taken back. One thing can't be known before: templates that open the
// thinking themselves leave its end alone in the answer, which makes thinking of the words before.
//
// Text of anybody is read here: each place is looked at a fixed number of times, however it is made.
import { Finder, places } from './places';
import { endOfValue, readCall } from './tool_calls';

export type Part =
  | { kind: 'text'; text: string }
  | { kind: 'thinking'; text: string; isWhole: boolean }
  | { kind: 'result'; text: string; isWhole: boolean }
  // `args`: its arguments as JSON, null where that can't be read; `raw`: all that was written.
  | { kind: 'call'; name: string; args: string | null; raw: string; isWhole: boolean; hasResult: boolean };

const THINKING = [
  ['<think>', '</think>'],
  ['[THINK]', '[/THINK]'],
] as const;
const CALL = '<tool_call>';
const RESULT = '<tool_response>';
const CALLS = '[TOOL_CALLS]';
const PYTHON = '<|python_tag|>';
const END_CALL = '</tool_call>';
const END_RESULT = '</tool_response>';
const STEPS = [CALL, RESULT, CALLS, PYTHON];
const ALL = [...THINKING.flat(), ...STEPS, END_CALL, END_RESULT];
const MOST = 200; // steps and thoughts of one answer; what follows them is words
const LONGEST = Math.max(...ALL.map((mark) => mark.length));

// How much of the end may be the beginning of a mark.
function partialMark(content: string): number {
  for (let n = Math.min(LONGEST - 1, content.length); n > 0; --n) {
    const end = content.slice(-n);
    if ((end[0] === '<' || end[0] === '[') && ALL.some((mark) => mark.length > n && mark.startsWith(end))) return n;
  }
  return 0;
}

// Is the mark at `at` one, or a word about it? null: the next words will tell.
function isStep(content: string, at: number, mark: string, isFirst: boolean, hasCall: boolean): boolean | null {
  const rest = content.slice(at + mark.length, at + mark.length + 200);
  if (mark === RESULT) return hasCall && isFirst;
  if (mark === PYTHON) return isFirst;
  if (mark === CALLS) {
    if (/^\s*\[\s*\{/.test(rest) || /^ ?[\w.:-]+(?:\[CALL_ID\][\w-]+)?(?:\[ARGS\])?\s*\{/.test(rest)) return true;
    return /^\s*(?:\[\s*)?$|^ ?[\w.:-]+(?:\[[\w\]-]*)*\s*$/.test(rest) ? null : false;
  }
  if ((isFirst && /^\r?\n/.test(rest)) || /^\s*(?:\{|<function=)/.test(rest)) return true;
  return '<function='.startsWith(rest.trimStart()) ? null : false;
}

// Where a <tool_call> ends, and where what follows begins; null: it has not ended. A mark in a string
// of its JSON is a part of it, unless the string is broken: by a new line, or where all is closed.
function endOfCall(content: string, begin: number): [number, number] | null {
  const next = /\\[^]|"|\n|<\/tool_call>|<tool_(?:call|response)>/g;
  next.lastIndex = begin;
  let isString = false;
  for (let found = next.exec(content); found; found = next.exec(content)) {
    const word = found[0];
    if (word === '"') isString = !isString;
    else if (word === '\n') isString = false;
    else if (word[0] === '<' && (!isString || content[found.index - 1] === '}')) {
      return [found.index, word === END_CALL ? next.lastIndex : found.index];
    }
  }
  return null;
}

class Reader {
  readonly parts: Part[] = [];
  #at = 0; // up to here all is in the parts
  #content: string;
  #finder: Finder;
  #isEnded: boolean;
  #steps = 0; // how many of the parts are not words
  #hasCall = false;

  constructor(content: string, isEnded: boolean) {
    this.#content = content;
    this.#finder = new Finder(content);
    this.#isEnded = isEnded;
    this.#readFirstThinking();
    while (this.#at < content.length) {
      this.#readThinking();
      if (this.#at < content.length) this.#readOn();
    }
    this.#match();
  }

  // Words, then the step behind them.
  #readOn(): void {
    const content = this.#content;
    const from = this.#at;
    const mayHave = this.#steps < MOST && STEPS.some((mark) => this.#finder.next(mark, from) < content.length);
    for (const [at, isFirst] of mayHave ? places(this.#finder, from) : []) {
      const mark = STEPS.find((one) => content.startsWith(one, at));
      const isOne = mark && isStep(content, at, mark, isFirst, this.#hasCall);
      if (!mark || isOne === false || (isOne === null && this.#isEnded)) continue;
      this.#addText(from, at);
      if (isOne === null) this.#at = content.length; // held back
      else this.#readStep(mark, at + mark.length);
      return;
    }
    this.#addText(from, content.length);
    this.#at = content.length;
  }

  #readStep(mark: string, begin: number): void {
    const content = this.#content;
    if (mark === CALL) {
      const [end, next] = endOfCall(content, begin) ?? [content.length, -1];
      this.#addCall(content.slice(begin, end), next >= 0, next < 0 ? content.length : next);
    } else if (mark === RESULT) {
      const end = content.indexOf(END_RESULT, begin);
      const text = content.slice(begin, end < 0 ? undefined : end).trim();
      this.#addStep({ kind: 'result', text, isWhole: end >= 0 });
      this.#at = end < 0 ? content.length : end + END_RESULT.length;
    } else if (mark === PYTHON) {
      this.#addCall(content.slice(begin), this.#isEnded, content.length);
    } else {
      this.#readMistral(begin);
    }
  }

  // A list of calls, or one call behind its name.
  #readMistral(begin: number): void {
    const content = this.#content;
    const named = /[ ]?[\w.:-]+(?:\[CALL_ID\][\w-]+)?(?:\[ARGS\])?\s*(?=\{)/y;
    named.lastIndex = begin;
    if (named.test(content)) {
      const end = endOfValue(content, named.lastIndex);
      return this.#addCall(content.slice(begin, end < 0 ? undefined : end), end >= 0, end < 0 ? content.length : end);
    }
    for (let at = content.indexOf('[', begin) + 1; ; ) {
      while (/[\s,]/.test(content[at] ?? '')) ++at;
      this.#at = at;
      if (content[at] === ']') this.#at = at + 1;
      if (at >= content.length || content[at] === ']' || this.#steps === MOST) return;
      const end = content[at] === '{' ? endOfValue(content, at) : -1;
      this.#addCall(content.slice(at, end < 0 ? undefined : end), end >= 0, end < 0 ? content.length : end);
      at = this.#at;
    }
  }

  #addCall(raw: string, isWhole: boolean, next: number): void {
    this.#addStep({ kind: 'call', ...readCall(raw, isWhole || this.#isEnded), raw: raw.trim(), isWhole, hasResult: false });
    this.#hasCall = true;
    this.#at = next;
  }

  #addStep(part: Part): void {
    this.parts.push(part);
    this.#steps += 1;
  }

  #addText(begin: number, end: number): void {
    const text = this.#content.slice(begin, end);
    if (text.trim()) this.parts.push({ kind: 'text', text: this.parts.length > 0 ? text.trimStart() : text });
  }

  // At the beginning of an answer, and behind a step.
  #readThinking(): void {
    if (this.#steps === MOST) return;
    const content = this.#content;
    const at = this.#at + content.slice(this.#at).search(/\S|$/);
    for (const [open, close] of THINKING) {
      if (!content.startsWith(open, at)) continue;
      const end = content.indexOf(close, at);
      const text = content.slice(at + open.length, end < 0 ? undefined : end).trim();
      if (text) this.#addStep({ kind: 'thinking', text, isWhole: end >= 0 });
      this.#at = end < 0 ? content.length : end + close.length;
    }
  }

  // Where the template has opened it.
  #readFirstThinking(): void {
    const content = this.#content;
    const first = content.search(/\S/);
    for (const [open, close] of THINKING) {
      if (!content.includes(close) || content.startsWith(open, first)) continue;
      for (const [at] of places(new Finder(content), 0)) {
        if (content.startsWith(open, at) || STEPS.some((mark) => content.startsWith(mark, at))) break;
        if (!content.startsWith(close, at) || (at !== first && content[at - 1] !== '\n')) continue;
        const text = content.slice(0, at).trim();
        if (text) this.#addStep({ kind: 'thinking', text, isWhole: true });
        this.#at = at + close.length;
        return;
      }
    }
  }

  // Results come in the order of the calls.
  #match(): void {
    const calls = this.parts.filter((part) => part.kind === 'call');
    const results = this.parts.filter((part) => part.kind === 'result');
    results.forEach((_, i) => calls[i] && (calls[i].hasResult = true));
  }
}

// `isEnded`: nothing follows.
export function partsOf(content: string, isEnded: boolean): Part[] {
  return new Reader(isEnded ? content : content.slice(0, content.length - partialMark(content)), isEnded).parts;
}

// The answer's own words, without its steps.
export function wordsOf(content: string): string {
  const texts = partsOf(content, true).flatMap((part) => (part.kind === 'text' ? [part.text.trim()] : []));
  return texts.join('\n\n');
}

// Text of elsewhere, so that it is words of an answer and nothing else wherever it stands in one.
export function withoutMarks(text: string): string {
  const call = `${CALL}{}${END_CALL}\n\n`;
  const isWords = (parts: Part[]) => parts.every((part) => part.kind === 'text');
  if (isWords(partsOf(text, true)) && isWords(partsOf(call + text, true).slice(1))) return text;
  return ALL.reduce((done, mark) => done.replaceAll(mark, `${mark.slice(0, -1)}\\${mark.at(-1)}`), text);
}

// A call and a result as an answer has them, whatever their words are.
export function callText(name: string, args: unknown): string {
  const json = JSON.stringify({ name, arguments: args }).replaceAll('<', '\\u003c');
  return `${CALL}\n${json}\n${END_CALL}`;
}
export function resultText(text: string): string {
  return `${RESULT}\n${text.replaceAll(END_RESULT, END_RESULT.replace('/', '\\/'))}\n${END_RESULT}`;
}
