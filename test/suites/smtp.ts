import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendMail } from '../../src/mail/index.ts';
import { compose } from '../../src/mime/index.ts';
import { SmtpClient, type SmtpOptions, SmtpSendError } from '../../src/smtp/index.ts';

/** A server that this suite can run against: the fake, or a real one. */
export interface SmtpServerUnderTest {
  readonly target: string;
  readonly options: SmtpOptions;
  /** A mailbox that the server delivers to. */
  readonly recipient: string;
  /** The message that holds the marker, as the mailbox has it. */
  received(marker: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What a client must do on any server that has STARTTLS and login. */
export function smtpClientSuite(name: string, factory: () => Promise<SmtpServerUnderTest>): void {
  describe(`SMTP against ${name}`, () => {
    let server: SmtpServerUnderTest;
    let counter = 0;
    const marker = (): string => `marker-${process.pid}-${Date.now()}-${counter++}`;
    beforeAll(async () => {
      server = await factory();
    }, 60_000);
    afterAll(() => server?.close());
    const connect = (): Promise<SmtpClient> => SmtpClient.connect(server.target, server.options);
    /** Header fields that the server adds come first; what was sent must be the rest, byte for byte. */
    const expectReceived = async (sent: Uint8Array, mark: string): Promise<void> => {
      const received = Buffer.from(await server.received(mark))
        .toString('latin1')
        .replace(/\r?\n/g, '\r\n');
      const wanted = Buffer.from(sent)
        .toString('latin1')
        .replace(/\r?\n/g, '\r\n')
        .replace(/(?:\r\n)?$/, '\r\n');
      expect(received.endsWith(wanted), `sent:\n${wanted}\nreceived:\n${received}`).toBe(true);
    };

    test('STARTTLS and login, and what the server offers', async () => {
      const client = await connect();
      expect(client.secure).toBe(true);
      expect(client.capabilities.has('AUTH')).toBe(true);
      expect((await client.noop()).code).toBe(250);
      await client.quit();
    });

    test('a message with attachments arrives equal', async () => {
      const mark = marker();
      const draft = {
        from: '王大锤 <me@example.com>',
        to: server.recipient,
        subject: `本月数据 ${mark}`,
        text: `附件中有本月数据请查收\r\n.\r\n..dots\r\n${mark}\r\n`,
        html: '<p>附件 <img src="cid:logo"></p>',
        attachments: [
          { file: 'examples/files/hello.txt' },
          { file: 'examples/files/month-data.xlsx' },
          { file: 'examples/files/picture.png', cid: 'logo' },
        ],
        headers: { 'X-Marker': mark },
      };
      const composed = compose(draft);
      const bytes = await composed.bytes();
      const client = await connect();
      const result = await client.send(composed.envelope, bytes);
      expect(result.accepted).toEqual([server.recipient]);
      expect(result.secure).toBe(true);
      await client.quit();
      await expectReceived(bytes, mark);
    });

    test('streamed, by DATA and by what the server likes best', async () => {
      for (const transfer of ['data', 'auto'] as const) {
        const mark = marker();
        const composed = compose({
          from: 'me@example.com',
          to: server.recipient,
          subject: mark,
          text: mark,
          attachments: [{ content: new Uint8Array(3_000_000).fill(7), filename: 'big.bin' }],
        });
        const client = await connect();
        const result = await client.send(composed.envelope, composed, { transfer });
        expect(result.sizeBytes).toBe(composed.sizeBytes);
        await client.quit();
        await expectReceived(await composed.bytes(), mark);
      }
    });

    test('lines of dots, long and bare line ends survive as mail allows', async () => {
      const mark = marker();
      const body = `Subject: ${mark}\r\nFrom: me@example.com\r\nDate: Sat, 07 Nov 2026 01:02:03 +0000\r\nMessage-ID: <${mark}@example.com>\r\n\r\n.\r\n..\r\n.x\r\n${'y'.repeat(900)}\r\nend`;
      const client = await connect();
      await client.send({ from: 'me@example.com', to: server.recipient }, body);
      await client.quit();
      await expectReceived(Buffer.from(body), mark);
    });

    test('many at once over one connection', async () => {
      const marks = Array.from({ length: 20 }, marker);
      const client = await connect();
      const results = await Promise.all(
        marks.map((mark) =>
          client.send(
            { from: 'me@example.com', to: server.recipient },
            `Subject: ${mark}\r\nFrom: me@example.com\r\n\r\n${mark}\r\n`,
          ),
        ),
      );
      expect(results.every((result) => result.accepted.length === 1)).toBe(true);
      await client.quit();
      for (const mark of marks) expect((await server.received(mark)).length).toBeGreaterThan(0);
    });

    test('sendMail does it all', async () => {
      const mark = marker();
      const result = await sendMail(
        server.target,
        { from: 'me@example.com', to: server.recipient, bcc: server.recipient, subject: mark, text: mark },
        server.options,
      );
      expect(result.messageId).toMatch(/^<.+@example\.com>$/);
      const received = Buffer.from(await server.received(mark)).toString('latin1');
      expect(received).toContain(mark);
      expect(received).not.toMatch(/^Bcc:/im);
    });

    test('a refused recipient is named, and the connection goes on', async () => {
      const client = await connect();
      // Local parts are limited to 64 octets: a server may refuse this one, or take it and find out later.
      const outcome = await client
        .send({ from: 'me@example.com', to: `${'n'.repeat(200)}@example.com` }, 'Subject: x\r\n\r\n')
        .catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(SmtpSendError);
      expect((await client.noop()).code).toBe(250);
      await client.quit();
    });
  });
}
