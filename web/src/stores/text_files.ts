// Files that are dropped, pasted or picked, as text for a message; what can't be is told.
import { t } from '../i18n/index.svelte';
import { fenceOf, isTextFile, LARGEST_FILE } from '../lib/text_files';
import { toasts } from './toasts.svelte';

export async function textOfFiles(files: Iterable<File>): Promise<string> {
  let text = '';
  for (const file of files) {
    if (!isTextFile(file)) toasts.show(t('composer.notText', { name: file.name }), 'error');
    else if (file.size > LARGEST_FILE) toasts.show(t('composer.tooLarge', { name: file.name }), 'error');
    else text += `${fenceOf(file.name, await file.text())}\n`;
  }
  return text;
}
