import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { fakeSmtp } from '../src/testing/index.ts';

// Inside the package, so that 'postwire' resolves to it.
const folder = '.cache/snippets';
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pages = [
  'README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];
const snippets = pages.flatMap((page) =>
  [...readFileSync(page, 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((match, index) => ({
    page,
    index,
    code: match[1] as string,
  })),
);

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env } });
    let out = '';
    child.stdout.on('data', (chunk) => (out += String(chunk)));
    child.stderr.on('data', (chunk) => (out += String(chunk)));
    child.on('close', (code) => resolve({ code, out }));
  });
}

test('every snippet of the documentation compiles against the built package, and runs', async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    `${folder}/tsconfig.json`,
    JSON.stringify({
      extends: '../../tsconfig.json',
      // ES2022: `await using` becomes what Node 20 knows.
      compilerOptions: {
        noEmit: false,
        outDir: 'out',
        target: 'ES2022',
        noUnusedLocals: false,
        rewriteRelativeImportExtensions: false,
        rootDir: '.',
      },
      include: ['*.ts'],
    }),
  );
  for (const [index, { code }] of snippets.entries()) writeFileSync(`${folder}/snippet${index}.ts`, code);
  const compiled = await run(['node_modules/typescript/bin/tsc', '-p', folder]);
  expect(compiled.out).toBe('');
  await using server = await fakeSmtp();
  for (const [index, { page }] of snippets.entries()) {
    const result = await run([`${folder}/out/snippet${index}.js`], { SMTP_URL: server.url });
    expect(result.code, `${page}, snippet ${index}:\n${result.out}`).toBe(0);
  }
  expect(snippets.length).toBeGreaterThanOrEqual(4);
}, 60_000);

test('the README opens with the two commands', () => {
  const readme = readFileSync('README.md', 'utf8');
  expect(readme).toContain('npm ci && npm run demo');
  expect(readme).toContain('npm ci && npm test');
});

test('RFCS.md says each thing once', () => {
  const rows = readFileSync('RFCS.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'));
  expect(rows.filter((row, index) => rows.indexOf(row) !== index)).toEqual([]);
});

test('every file that RFCS.md names exists', () => {
  for (const match of readFileSync('RFCS.md', 'utf8').matchAll(/\b((?:src|test)\/[\w./-]+\.ts)\b/g))
    expect(() => readFileSync(match[1] as string)).not.toThrow();
});

test('the demo runs', async () => {
  const result = await run(['examples/demo.mjs']);
  expect(result.code, result.out).toBe(0);
  expect(result.out).toContain('attached month-data.xlsx');
  expect(result.out).not.toContain('a secret');
});
