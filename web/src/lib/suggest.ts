// What the words before the caret ask for: "/" at the beginning a prompt, "@" a model.
export interface Trigger {
  kind: 'prompt' | 'model';
  query: string;
  begin: number; // of the sign
}

export function triggerAt(text: string, caret: number): Trigger | null {
  const before = text.slice(0, caret);
  const prompt = /^\/([^\n]{0,60})$/.exec(before);
  if (prompt) return { kind: 'prompt', query: prompt[1]!, begin: 0 };
  const model = /(?:^|\s)@([^\s@]{0,60})$/.exec(before);
  if (model) return { kind: 'model', query: model[1]!, begin: caret - model[1]!.length - 1 };
  return null;
}

// The names that have all letters of the query in one piece; those that begin with it first.
export function matching<T>(list: T[], nameOf: (item: T) => string, query: string): T[] {
  const wanted = query.trim().toLocaleLowerCase();
  const at = (item: T) => nameOf(item).toLocaleLowerCase().indexOf(wanted);
  const found = list.filter((item) => at(item) >= 0);
  return [...found.filter((item) => at(item) === 0), ...found.filter((item) => at(item) > 0)];
}

const PLACE = /\{\{\s*([^{}\n]{1,60}?)\s*\}\}/g;

// Names of the places for values in a prompt, each once, in their order.
export function placesOf(content: string): string[] {
  return [...new Set([...content.matchAll(PLACE)].map((one) => one[1]!))];
}

export function filled(content: string, values: Map<string, string>): string {
  return content.replace(PLACE, (whole, name: string) => values.get(name) ?? whole);
}
