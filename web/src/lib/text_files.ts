// Files of text become a part of the message, in a fence that their content cannot close.
export const LARGEST_FILE = 200_000; // bytes

const TEXT_NAME =
  /\.(?:bat|c|cc|cfg|conf|cpp|cs|css|csv|diff|go|h|hpp|htm|html|ini|java|js|json|jsonl|jsx|kt|log|lua|md|mjs|patch|php|pl|py|r|rb|rs|scss|sh|sql|srt|swift|tex|toml|ts|tsv|tsx|txt|vue|xml|ya?ml)$/i;

export function isTextFile(file: { name: string; type: string }): boolean {
  return file.type.startsWith('text/') || file.type === 'application/json' || TEXT_NAME.test(file.name);
}

// A block of code that its content cannot close.
export function fenced(language: string, content: string): string {
  const longest = [...content.matchAll(/`+/g)].reduce((most, run) => Math.max(most, run[0].length), 2);
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${content.replace(/\r\n?/g, '\n').replace(/\n$/, '')}\n${fence}`;
}

export function fenceOf(name: string, content: string): string {
  const language = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const safeName = name.replace(/[\p{Cc}`]/gu, ' ');
  return `${safeName}\n${fenced(language, content)}`;
}
