import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/'));

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = [
    ...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;]*?\bfrom\s+'([^']+)'/g),
    ...text.matchAll(/\bimport\('([^']+)'\)/g),
    ...text.matchAll(/(?:^|\n)import '([^']+)'/g),
  ];
  return found.map((match) => match[1] as string);
}

const protocols = ['smtp', 'pop3', 'imap', 'ftp', 'http', 'telnet', 'nntp', 'gopher', 'syslog'];
/** errors < wire < {sasl, mime, socket} < each protocol < {mail, open, testing} < cli */
const mayImport: Record<string, readonly string[]> = {
  errors: [],
  wire: ['errors', 'wire'],
  sasl: ['errors', 'wire', 'sasl'],
  mime: ['errors', 'wire', 'mime'],
  socket: ['errors', 'wire', 'socket'],
  ...Object.fromEntries(
    protocols.map((protocol) => [protocol, ['errors', 'wire', 'sasl', 'mime', 'socket', protocol]]),
  ),
  // A protocol takes bytes, not a MIME class.
  smtp: ['errors', 'wire', 'sasl', 'socket', 'smtp'],
  mail: ['errors', 'wire', 'sasl', 'mime', 'socket', 'mail', ...protocols],
  open: ['errors', 'wire', 'sasl', 'mime', 'socket', 'open', 'mail', ...protocols],
  testing: ['errors', 'wire', 'sasl', 'mime', 'socket', 'testing', ...protocols],
  cli: ['errors', 'wire', 'sasl', 'mime', 'socket', 'mail', 'open', 'testing', 'cli', ...protocols],
  index: ['errors', 'wire', 'sasl', 'mime', 'socket', 'mail', 'open', ...protocols],
};

const layerOf = (file: string): string =>
  file.includes('/') ? (file.split('/')[0] as string) : file.replace(/\.ts$/, '');
const isPure = (file: string): boolean =>
  /^(?:wire|mime)\//.test(file) || /(?:^|\/)codec(?:\.ts$|\/)/.test(file) || file === 'errors.ts';

test('layers import only downwards', () => {
  const breaches: string[] = [];
  for (const file of files) {
    const allowed = mayImport[layerOf(file)];
    expect(allowed, `${file} is in a folder that the design does not name`).toBeDefined();
    for (const target of importsOf(file).filter((name) => name.startsWith('.'))) {
      const layer = layerOf(relative(root, resolve(root, dirname(file), target)).replaceAll('\\', '/'));
      if (allowed?.includes(layer) !== true) breaches.push(`${file} imports ${target}`);
    }
  }
  expect(breaches).toEqual([]);
});

test('pure layers import nothing of Node', () => {
  const breaches = files.filter(isPure).filter((file) => importsOf(file).some((name) => name.startsWith('node:')));
  expect(breaches).toEqual([]);
});

test('sockets are opened in src/socket alone', () => {
  const homes = ['node:net', 'node:tls', 'node:dgram', 'node:dns', 'node:dns/promises'];
  const breaches = files.filter(
    (file) => !file.startsWith('socket/') && importsOf(file).some((name) => homes.includes(name)),
  );
  expect(breaches).toEqual([]);
});

test('testing uses codecs and never clients', () => {
  const breaches = files.filter(
    (file) =>
      file.startsWith('testing/') &&
      importsOf(file).some((name) =>
        protocols.some((protocol) => new RegExp(`/${protocol}/(?:client|index|transaction)\\.ts$`).test(name)),
      ),
  );
  expect(breaches).toEqual([]);
});

test('no import cycle', () => {
  const graph = new Map(
    files.map((file) => [
      file,
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .map((name) => relative(root, resolve(root, dirname(file), name)).replaceAll('\\', '/')),
    ]),
  );
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    expect(path.includes(file), [...path, file].join(' > ')).toBe(false);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('no file is named for having no purpose', () => {
  expect(files.filter((file) => /(?:^|\/)(?:utils?|helpers?|common|misc)\.ts$/.test(file))).toEqual([]);
});

test('no default exports', () => {
  expect(files.filter((file) => /\bexport default\b/.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
});

test('TLS-07 SV-15 SOCK-20: certificate checks are never switched off, process-wide state is never touched, foreign listeners are never removed', () => {
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    expect(text, file).not.toMatch(
      /rejectUnauthorized:\s*false|NODE_TLS_REJECT_UNAUTHORIZED|DEFAULT_CIPHERS|removeAllListeners/,
    );
  }
});
