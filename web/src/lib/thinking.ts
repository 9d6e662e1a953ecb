// Models that reason write it before their answer, between marks: <think> and </think> (Qwen,
// DeepSeek, SmolLM3), [THINK] and [/THINK] (Mistral). Some templates write the first mark
// themselves; then only the second one is in the answer.
export interface Parts {
  thinking: string;
  isThinking: boolean; // still
  answer: string;
}

const MARKS = [
  ['<think>', '</think>'],
  ['[THINK]', '[/THINK]'],
] as const;

export function splitThinking(content: string): Parts {
  const start = content.trimStart();
  for (const [open, close] of MARKS) {
    // The beginning of the mark may have come without its end.
    if (start && start !== open && open.startsWith(start)) return { thinking: '', isThinking: false, answer: '' };
    const isOpened = start.startsWith(open);
    const end = start.indexOf(close);
    if (end < 0 && !isOpened) continue;
    // Words about the marks are no marks.
    const isOwnLine = end === 0 || start[end - 1] === '\n';
    if (end >= 0 && !isOpened && (!isOwnLine || start.slice(0, end).includes(open))) continue;
    const begin = isOpened ? open.length : 0;
    if (end < 0) return { thinking: start.slice(begin).trim(), isThinking: true, answer: '' };
    return {
      thinking: start.slice(begin, end).trim(),
      isThinking: false,
      answer: start.slice(end + close.length).trimStart(),
    };
  }
  return { thinking: '', isThinking: false, answer: content };
}
