// Chats by when they were last used, as people think of time: in calendar days of where they are.
export type Age = 'pinned' | 'today' | 'yesterday' | 'week' | 'month' | 'older';

export interface Aged {
  updated_at: number;
  pinned_at: number | null;
}

export function ageOf(item: Aged, now: number): Age {
  if (item.pinned_at !== null) return 'pinned';
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const startOfDay = (daysAgo: number) => new Date(midnight).setDate(midnight.getDate() - daysAgo);
  if (item.updated_at >= startOfDay(0)) return 'today';
  if (item.updated_at >= startOfDay(1)) return 'yesterday';
  if (item.updated_at >= startOfDay(7)) return 'week';
  if (item.updated_at >= startOfDay(30)) return 'month';
  return 'older';
}

const ORDER: Age[] = ['pinned', 'today', 'yesterday', 'week', 'month', 'older'];

export function grouped<T extends Aged>(items: T[], now: number): { age: Age; items: T[] }[] {
  return ORDER.map((age) => ({ age, items: items.filter((item) => ageOf(item, now) === age) })).filter(
    (group) => group.items.length > 0,
  );
}
