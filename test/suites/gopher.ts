import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GopherOptions, formatGopherUrl, gopher } from '../../src/gopher/index.ts';

/** A server with `gopherFiles` in its root. */
export interface GopherServerUnderTest {
  /** 'gopher://127.0.0.1:7070' */
  readonly url: string;
  readonly options: GopherOptions;
  close(): Promise<void>;
}

/** Every byte, and what looks like the end of a text. */
export const binaryFile = Buffer.concat([
  Buffer.from('\0\r\n.\r\n'),
  Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.alloc(200_000, '\r\n..x'),
]);

export const gopherFiles: Readonly<Record<string, string | Uint8Array>> = {
  'hello.txt': 'Hello\r\n..two\r\n...three\r\nend\r\n',
  'unicode.txt': 'Grüße\r\n',
  'docs/a.txt': 'a\r\n',
  'docs/data.bin': binaryFile,
  gophermap:
    'Welcome\n0Hello\thello.txt\n1Documents\t/docs\nhA page\tURL:http://example.com/\n0Elsewhere\t/x\tother.example\t7070\n',
};

/** What a client must do on any Gopher server. */
export function gopherClientSuite(name: string, factory: () => Promise<GopherServerUnderTest>): void {
  describe(`Gopher against ${name}`, () => {
    let server: GopherServerUnderTest;
    beforeAll(async () => {
      server = await factory();
    }, 60_000);
    afterAll(() => server?.close());

    test('a menu, and what its items lead to', async () => {
      const menu = await gopher(`${server.url}/1/`, server.options);
      const items = (await menu.items()).filter((item) => item.title !== '' && item.kind !== 'invalid');
      const [welcome, hello, docs, page, elsewhere] = items;
      expect(welcome).toMatchObject({ kind: 'info', title: 'Welcome' });
      expect(hello).toMatchObject({ kind: 'text', title: 'Hello' });
      expect(docs).toMatchObject({ kind: 'menu', selector: '/docs' });
      expect(page).toMatchObject({ kind: 'html', url: 'http://example.com/' });
      expect(elsewhere).toMatchObject({ host: 'other.example', port: 7070 });
      const folder = await (
        await gopher(
          formatGopherUrl({ ...docs!, ...placeOf(server.url) }, { secure: server.url.startsWith('gophers') }),
          server.options,
        )
      ).items();
      expect(folder.filter((item) => item.kind !== 'info').map((item) => item.selector)).toEqual([
        '/docs/a.txt',
        '/docs/data.bin',
      ]);
    });

    test('texts, their dots and charset', async () => {
      const hello = await gopher(`${server.url}/0/hello.txt`, server.options);
      expect((await hello.text()).replace(/\r\n/g, '\n')).toContain('Hello\n');
      expect(await (await gopher(`${server.url}/0/unicode.txt`, server.options)).text()).toContain('Grüße');
    });

    test('binary documents, byte for byte, streamed and into a file', async () => {
      const url = `${server.url}/9/docs/data.bin`;
      expect(binaryFile.equals(await (await gopher(url, server.options)).bytes())).toBe(true);
      const file = join(mkdtempSync(join(tmpdir(), 'postwire-gopher-')), 'in/data.bin');
      const told: number[] = [];
      const options = { ...server.options, onProgress: ({ bytes }: { bytes: number }) => void told.push(bytes) };
      expect(await (await gopher(url, options)).save(file)).toBe(binaryFile.length);
      expect(binaryFile.equals(readFileSync(file))).toBe(true);
      expect(told.at(-1)).toBe(binaryFile.length);
      await expect((await gopher(url, server.options)).save(file)).rejects.toMatchObject({ code: 'USAGE' });
    });

    test('what is not there', async () => {
      const items = await (await gopher(`${server.url}/1/no/such/thing`, server.options)).items();
      // QUIRK(gophernicus): its error is a line without fields.
      expect(items.length).toBeGreaterThan(0);
      expect(items.every((item) => ['error', 'info', 'invalid'].includes(item.kind))).toBe(true);
    });

    test('what the server says of itself', async () => {
      expect(await (await gopher(`${server.url}/0/caps.txt`, server.options)).text()).toMatch(/^CAPS\b/);
    });
  });
}

const placeOf = (url: string): { host: string; port: number } => {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
};
