// Reads one file out of a ZIP archive (PKWARE APPNOTE 6.3), without trusting it: sizes that the
// archive states count for nothing, and inflating ends at the limit.
export class BrokenZip extends Error {}
export class TooLargeZip extends Error {}

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const MOST_ENTRIES = 20_000;

interface Entry {
  name: string;
  method: number;
  begin: number; // of its local header
  packed: number;
}

export const isZip = (bytes: Uint8Array) => bytes[0] === 0x50 && bytes[1] === 0x4b;

function endOfDirectory(view: DataView): number {
  for (let at = view.byteLength - 22; at >= 0 && at >= view.byteLength - 22 - 0xffff; --at) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new BrokenZip('no directory');
}

function entriesOf(bytes: Uint8Array): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOfDirectory(view);
  const count = view.getUint16(end + 10, true);
  if (count > MOST_ENTRIES) throw new TooLargeZip('entries');
  const entries: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < count; ++i) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== ENTRY) throw new BrokenZip('entry');
    const length = view.getUint16(at + 28, true);
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + length)),
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      begin: view.getUint32(at + 42, true),
    });
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

async function inflate(packed: Uint8Array<ArrayBuffer>, limit: number): Promise<Uint8Array> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > limit) throw new TooLargeZip('inflated');
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error instanceof TooLargeZip ? error : new BrokenZip('deflate');
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

// The first file whose path ends with `name`; at most `limit` bytes of it. Null if there is none.
export async function readFromZip(bytes: Uint8Array<ArrayBuffer>, name: string, limit: number): Promise<Uint8Array | null> {
  const entry = entriesOf(bytes).find((one) => one.name === name || one.name.endsWith(`/${name}`));
  if (!entry) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (entry.begin + 30 > view.byteLength || view.getUint32(entry.begin, true) !== LOCAL) throw new BrokenZip('header');
  const begin = entry.begin + 30 + view.getUint16(entry.begin + 26, true) + view.getUint16(entry.begin + 28, true);
  const packed = bytes.subarray(begin, begin + entry.packed);
  if (packed.length !== entry.packed) throw new BrokenZip('cut');
  if (entry.method === 8) return inflate(packed, limit);
  if (entry.method !== 0) throw new BrokenZip('method');
  if (packed.length > limit) throw new TooLargeZip('stored');
  return packed;
}
