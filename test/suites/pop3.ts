import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Pop3Client, type Pop3Options } from '../../src/pop3/index.ts';

/** A server that this suite can run against: the fake, or a real one. Its mailbox holds `messages`, in this order, with CRLF. */
export interface Pop3ServerUnderTest {
  readonly target: string;
  readonly options: Pop3Options;
  readonly messages: readonly string[];
  close(): Promise<void>;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** What a client must do on any POP3 server with STLS and login. */
export function pop3ClientSuite(name: string, factory: () => Promise<Pop3ServerUnderTest>): void {
  describe(`POP3 against ${name}`, () => {
    let server: Pop3ServerUnderTest;
    beforeAll(async () => {
      server = await factory();
    }, 60_000);
    afterAll(() => server?.close());
    const connect = (): Promise<Pop3Client> => Pop3Client.connect(server.target, server.options);

    test('STLS, login, and what the server offers', async () => {
      await using client = await connect();
      expect(client.secure).toBe(true);
      expect(client.capabilities.has('UIDL')).toBe(true);
    });

    test('counts, sizes, ids, headers', async () => {
      await using client = await connect();
      const { count } = await client.stat();
      expect(count).toBe(server.messages.length);
      const sizes = await client.list();
      const ids = await client.uidl();
      expect([sizes.entries.size, ids.entries.size, sizes.skipped]).toEqual([count, count, 0]);
      expect(new Set(ids.entries.values()).size).toBe(count);
      const [header] = (server.messages[0] as string).split('\r\n\r\n');
      expect(text(await client.top(1, 0))).toBe(`${header}\r\n\r\n`);
    });

    test('messages come whole: streamed one by one, and read ahead', async () => {
      await using client = await connect();
      for (const [index, message] of server.messages.entries())
        expect(text(await (await client.retr(index + 1)).bytes())).toBe(message);
      const read: string[] = [];
      for await (const { bytes } of client.messages()) read.push(text(bytes));
      expect(read).toEqual(server.messages);
      const first = (await client.uidl()).entries.get(1) as string;
      const rest: number[] = [];
      for await (const { number } of client.messages({ skip: new Set([first]) })) {
        rest.push(number);
        await client.noop();
        if (rest.length === 2) break;
      }
      expect(rest).toEqual([2, 3]);
      expect((await client.stat()).count).toBe(server.messages.length);
    });

    test('a refused message leaves the connection usable', async () => {
      await using client = await connect();
      await expect(client.retr(9999)).rejects.toMatchObject({ code: 'REPLY', reusable: true });
      await client.noop();
    });

    test('DELE takes effect with QUIT, and RSET takes it back', async () => {
      const undone = await connect();
      await undone.dele(1);
      await undone.rset();
      expect(await undone.quit()).toEqual({ numbers: [], state: 'committed' });
      const client = await connect();
      const last = server.messages.length;
      await client.dele(last);
      expect(await client.quit()).toEqual({ numbers: [last], state: 'committed' });
      await using again = await connect();
      expect((await again.stat()).count).toBe(last - 1);
    });

    test('a wrong password', async () => {
      const url = new URL(server.target);
      url.password = 'wrong';
      await expect(Pop3Client.connect(url.href, server.options)).rejects.toMatchObject({ code: 'AUTH' });
    });
  });
}

/** Messages that show what a server or client could get wrong. */
export const sampleMessages: readonly string[] = [
  'Subject: one\r\nFrom: a@b.example\r\n\r\nplain\r\n',
  'Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n',
  `Subject: long\r\n\r\n${'y'.repeat(900)}\r\n`,
  'Subject: empty\r\n\r\n',
  `Subject: large\r\n\r\n${`${'z'.repeat(70)}\r\n`.repeat(20_000)}`,
];
