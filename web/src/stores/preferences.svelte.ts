// How this browser shows Maru.
import { changeProfile } from '../services/api';
import { readItem, writeItem } from '../services/storage';
import { setLanguage, type Language } from '../i18n/index.svelte';

export type Theme = 'system' | 'light' | 'dark' | 'contrast';
export const THEMES: Theme[] = ['system', 'light', 'dark', 'contrast'];

class Preferences {
  theme = $state<Theme>((readItem('theme') as Theme | null) ?? 'system');
  model = $state<string | null>(readItem('model'));
  sidebar = $state(readItem('sidebar') !== 'closed');

  setTheme(theme: Theme): void {
    this.theme = theme;
    writeItem('theme', theme === 'system' ? null : theme);
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
  }

  setLanguage(language: Language, hasAccount: boolean): void {
    setLanguage(language);
    writeItem('language', language);
    if (hasAccount) void changeProfile({ language }).catch(() => {});
  }

  // The model that a new chat begins with.
  setModel(model: string): void {
    this.model = model;
    writeItem('model', model);
  }

  setSidebar(open: boolean): void {
    this.sidebar = open;
    writeItem('sidebar', open ? null : 'closed');
  }
}

export const preferences = new Preferences();
