// Models that reason write it before their answer, between <think> and </think>.
export interface Parts {
  thinking: string;
  isThinking: boolean; // still
  answer: string;
}

const OPEN = '<think>';
const CLOSE = '</think>';

export function splitThinking(content: string): Parts {
  const start = content.trimStart();
  if (!start.startsWith(OPEN)) {
    // The beginning of the mark may have come without its end.
    const isBegin = start.length > 0 && OPEN.startsWith(start);
    return { thinking: '', isThinking: false, answer: isBegin ? '' : content };
  }
  const close = start.indexOf(CLOSE);
  if (close < 0) {
    return { thinking: start.slice(OPEN.length).trim(), isThinking: true, answer: '' };
  }
  return {
    thinking: start.slice(OPEN.length, close).trim(),
    isThinking: false,
    answer: start.slice(close + CLOSE.length).trimStart(),
  };
}
