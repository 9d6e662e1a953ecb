// Reads an archive that the person has picked: a ZIP with conversations.json, or JSON itself.
import { chatsIn, type ImportedChat } from '../lib/import_chats';
import { isZip, readFromZip } from '../lib/zip';

export const LARGEST_ARCHIVE = 1 << 30; // bytes, packed: pictures of years are in there
export const LARGEST_JSON = 400 << 20;

export class NoArchive extends Error {}
export class TooLargeArchive extends Error {}

export async function readArchive(file: File): Promise<ImportedChat[]> {
  if (file.size > LARGEST_ARCHIVE) throw new TooLargeArchive();
  const bytes = new Uint8Array(await file.arrayBuffer());
  const json = isZip(bytes) ? await readFromZip(bytes, 'conversations.json', LARGEST_JSON) : bytes;
  if (!json) throw new NoArchive();
  if (json.length > LARGEST_JSON) throw new TooLargeArchive();
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(json));
  } catch {
    throw new NoArchive();
  }
  return chatsIn(parsed);
}
