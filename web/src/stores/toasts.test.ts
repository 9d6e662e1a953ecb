import { expect, it } from 'vitest';
import { toasts } from './toasts.svelte';

it('says the same once, as the newest', () => {
  toasts.show('unreachable', 'error');
  toasts.show('saved');
  toasts.show('unreachable', 'error');
  expect(toasts.list.map((toast) => toast.text)).toEqual(['saved', 'unreachable']);
});
