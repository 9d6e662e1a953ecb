// What this browser keeps for itself. Storage may be closed or full: then nothing is kept.
export function readItem(key: string): string | null {
  try {
    return localStorage.getItem(`maru.${key}`);
  } catch {
    return null;
  }
}

export function writeItem(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`maru.${key}`);
    else localStorage.setItem(`maru.${key}`, value);
  } catch {
    // See above.
  }
}

export function itemKeys(prefix: string): string[] {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(`maru.${prefix}`))
      .map((key) => key.slice('maru.'.length));
  } catch {
    return [];
  }
}
