// Blind votes: who answers, and what a question is about, roughly. People can say otherwise.
export const TOPICS = ['code', 'writing', 'translation', 'reasoning', 'facts', 'other'] as const;
export type Topic = (typeof TOPICS)[number];

const SIGNS: [Topic, RegExp][] = [
  ['code', /```|[{};]\s*$|\b(?:code|function|class|bug|compile|regex|python|javascript|typescript|c\+\+|rust|sql|html|css)\b|코드|함수|프로그램|버그|파이썬/im],
  ['translation', /\btranslat\w*|\bin (?:korean|english|japanese|chinese)\b|번역|영어로|한국어로|일본어로|중국어로/i],
  ['reasoning', /\d\s*[-+*/^=×÷]\s*\d|\b(?:solve|prove|calculate|how many|probability|equation)\b|계산|증명|확률|방정식|풀어|몇 (?:개|명|번)/i],
  ['writing', /\b(?:write|rewrite|poem|essay|story|e?mail|letter|summar\w+|draft)\b|써 ?줘|써 ?주세요|작성|요약|시를|편지|이메일|글을/i],
  ['facts', /\b(?:what|who|when|where|which|why)\b|무엇|뭐|누구|언제|어디|왜|설명/i],
];

export function guessTopic(question: string): Topic {
  return SIGNS.find(([, sign]) => sign.test(question))?.[0] ?? 'other';
}

// The two models of a blind vote, in an order that tells nothing; '' as rival: any other one.
export function drawTwo(own: string | null, rival: string, all: string[]): string[] {
  const others = all.filter((model) => model !== own);
  const other = rival || others[Math.floor(Math.random() * others.length)];
  const two = [own, other].filter((model): model is string => !!model);
  return Math.random() < 0.5 ? two : two.reverse();
}
