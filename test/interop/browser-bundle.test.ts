import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { expect, test } from 'vitest';
import { compose, parseSync } from '../../src/mime/index.ts';
import { run } from './process.ts';

test('postwire/mime in a bundle builds and parses a message in headless Chromium', async () => {
  const message = await compose({
    from: '王大锤 <me@example.com>',
    to: 'you@example.com',
    subject: '本月数据',
    text: '附件中有本月数据请查收',
    html: '<p>数据 <img src="cid:logo"></p>',
    attachments: [
      { filename: '汇总.bin', content: Uint8Array.from({ length: 5000 }, (_, index) => index & 255) },
      { cid: 'logo', filename: 'logo.png', content: Uint8Array.of(1, 2, 3) },
    ],
  }).bytes();
  const folder = mkdtempSync(join(tmpdir(), 'postwire-browser-'));
  const bundle = await rolldown({ input: resolve('dist/mime/index.js'), platform: 'browser', logLevel: 'silent' });
  const { output } = await bundle.generate({ format: 'iife', name: 'postwire', codeSplitting: false });
  await bundle.close();
  expect(output).toHaveLength(1);
  // What the bundler could not take in would fail only once it is called.
  expect(output[0].imports).toEqual([]);
  writeFileSync(join(folder, 'postwire.js'), output[0].code);
  writeFileSync(
    join(folder, 'page.html'),
    `<meta charset="utf-8"><pre id="out">nothing ran</pre><script src="postwire.js"></script><script>
    const out = document.getElementById('out');
    (async () => {
      const bytes = Uint8Array.from(atob('${Buffer.from(message).toString('base64')}'), (c) => c.charCodeAt(0));
      const mail = postwire.parseSync(bytes);
      const [file] = mail.attachments;
      const latin = postwire.parseSync(new TextEncoder().encode('Content-Type: text/plain; charset=utf-7\\r\\n\\r\\n+ZeVnLIqe-'));
      const made = await postwire.compose({ from: mail.from[0], to: 'you@example.com', subject: mail.subject, text: mail.text }).bytes();
      const again = postwire.parseSync(made);
      out.textContent = JSON.stringify({
        subject: mail.subject, from: mail.from[0].name, text: mail.text, html: mail.htmlWithCids(),
        file: [file.filename, file.bytes().length, file.bytes()[4999]],
        utf7: latin.text, buffer: typeof Buffer, again: [again.subject, again.from[0].name, again.text],
      });
    })().catch((error) => { out.textContent = String(error.stack); });
    </script>`,
  );
  const { out } = await run('chromium', [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--allow-file-access-from-files',
    `--user-data-dir=${join(folder, 'profile')}`,
    '--virtual-time-budget=20000',
    '--dump-dom',
    `file://${join(folder, 'page.html')}`,
  ]);
  const shown = /<pre id="out">([\s\S]*?)<\/pre>/
    .exec(out)?.[1]
    ?.replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
  const here = parseSync(message);
  expect(JSON.parse(shown ?? '')).toEqual({
    subject: '本月数据',
    from: '王大锤',
    text: '附件中有本月数据请查收',
    html: here.htmlWithCids(),
    file: ['汇总.bin', 5000, 4999 & 255],
    utf7: '日本語',
    buffer: 'undefined',
    again: ['本月数据', '王大锤', '附件中有本月数据请查收'],
  });
});
