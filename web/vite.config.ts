import { svelte } from '@sveltejs/vite-plugin-svelte';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// KaTeX names each font in three formats; every browser that runs this page reads WOFF2.
const onlyWoff2: Plugin = {
  name: 'only-woff2',
  enforce: 'pre',
  transform(code, id) {
    if (!id.includes('katex') || !id.endsWith('.css')) return null;
    return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\([^)]*\)/g, '');
  },
};

// The service worker stands at the root, and knows the files that the page may ask for.
const serviceWorker: Plugin = {
  name: 'service-worker',
  enforce: 'post', // after chunks that hold nothing but styles are gone
  generateBundle(_, bundle) {
    const worker = bundle['service_worker.js'];
    if (worker?.type !== 'chunk') this.error('the service worker was not built');
    const built = Object.keys(bundle).filter((name) => /^assets\/.*\.(?:js|css|woff2)$/.test(name));
    const files = [...built, ...readdirSync('public/assets').map((name) => `assets/${name}`)].sort().map((name) => `/${name}`);
    const build = createHash('sha256').update(files.join()).digest('hex').slice(0, 16);
    worker.code = worker.code.replace('__FILES__', JSON.stringify(files)).replace('__BUILD__', build);
  },
};

export default defineConfig({
  plugins: [onlyWoff2, svelte(), serviceWorker],
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // the Content-Security-Policy has no data: scripts or fonts
    modulePreload: { polyfill: false },
    sourcemap: false,
    manifest: '.manifest.json',
    rollupOptions: {
      input: ['index.html', 'src/service_worker.ts'],
      output: {
        entryFileNames: (chunk) => (chunk.name === 'service_worker' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  worker: { format: 'es' },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/v1': 'http://127.0.0.1:8080', '/health': 'http://127.0.0.1:8080' } },
  test: { environment: 'jsdom', testTimeout: 60_000, include: ['src/**/*.test.ts', 'tools/**/*.test.ts'] },
});
