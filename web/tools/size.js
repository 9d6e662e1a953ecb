// What a browser fetches before the first page is painted, compressed: index.html and everything
// that it names, with their static imports. Fails above the limit.
//   node tools/size.js DIST [LIMIT_KB]
import { readFileSync } from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

const [dist, limit = '150'] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(path.join(dist, '.manifest.json'), 'utf8'));
const wanted = new Set(['index.html', 'assets/theme.js', 'assets/maru.svg']);
const walk = (key) => {
  const chunk = manifest[key];
  if (wanted.has(chunk.file)) return;
  wanted.add(chunk.file);
  for (const css of chunk.css ?? []) wanted.add(css);
  for (const next of chunk.imports ?? []) walk(next);
};
walk('index.html');

let total = 0;
for (const name of wanted) {
  const size = zlib.gzipSync(readFileSync(path.join(dist, name)), { level: 9 }).length;
  total += size;
  console.log(`${(size / 1000).toFixed(1).padStart(8)} kB  ${name}`);
}
console.log(`${(total / 1000).toFixed(1).padStart(8)} kB  in all, as gzip (limit ${limit} kB)`);
if (total > Number(limit) * 1000) process.exit(1);
