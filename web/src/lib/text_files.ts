// Files of text become a part of the message, in a fence that their content cannot close.
export const LARGEST_FILE = 200_000; // bytes

const TEXT_NAME =
  /\.(?:bat|c|cc|cfg|conf|cpp|cs|css|csv|diff|go|h|hpp|htm|html|ini|java|js|json|jsonl|jsx|kt|log|lua|md|mjs|patch|php|pl|py|r|rb|rs|scss|sh|sql|srt|swift|tex|toml|ts|tsv|tsx|txt|vue|xml|ya?ml)$/i;

export function isTextFile(file: { name: string; type: string }): boolean {
  return file.type.startsWith('text/') || file.type === 'application/json' || TEXT_NAME.test(file.name);
}

export function fenceOf(name: string, content: string): string {
  const longest = Math.max(2, ...[...content.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  const language = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const safeName = name.replace(/[\p{Cc}`]/gu, ' ');
  return `${safeName}\n${fence}${language}\n${content.replace(/\r\n?/g, '\n').replace(/\n$/, '')}\n${fence}`;
}
