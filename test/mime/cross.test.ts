import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import nodemailer from 'nodemailer';
import { expect, test } from 'vitest';
import { compose } from '../../src/mime/index.ts';
import { fakeSmtp } from '../../src/testing/index.ts';

/** Generated texts in the scripts that users write. */
export const scripts = {
  latin: fc.string({ unit: fc.constantFrom(...'abc XYZ äöüßéñ.,-!?"\'()'), maxLength: 200 }),
  cjk: fc.string({ unit: fc.constantFrom(...'数据本月附件请查收、。 日本語한국어ab '), maxLength: 200 }),
  arabic: fc.string({ unit: fc.constantFrom(...'مرحبا بالعالم ١٢٣ '), maxLength: 200 }),
  emoji: fc.string({ unit: fc.constantFrom('😀', '👩‍👩‍👧', '🇩🇪', 'a', ' ', '❤️'), maxLength: 80 }),
};

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

test.each(Object.entries(scripts))('what compose writes, mailparser reads equal: %s', async (_name, text) => {
  const name = text.map(oneLine);
  await fc.assert(
    fc.asyncProperty(
      name,
      name,
      fc.array(text, { maxLength: 5 }),
      fc.array(
        fc.record({
          filename: name.filter((each) => each.length > 0 && each.length < 60),
          content: fc.uint8Array({ maxLength: 300 }),
        }),
        { maxLength: 3 },
      ),
      async (subject, from, lines, attachments) => {
        const body = ['text', ...lines].join('\n');
        const bytes = await compose({
          from: { name: from, address: 'me@example.com' },
          to: { name: subject, address: 'you@example.com' },
          subject,
          text: body,
          html: `<p>${oneLine(body)}</p>`,
          attachments,
        }).bytes();
        const parsed = await simpleParser(Buffer.from(bytes));
        expect(parsed.subject ?? '').toBe(subject);
        expect(parsed.from?.value[0]).toMatchObject({ name: from, address: 'me@example.com' });
        expect(parsed.text?.replace(/\r\n/g, '\n')).toBe(body);
        expect(parsed.attachments.map((each) => [each.filename, each.content.toString('hex')])).toEqual(
          attachments.map((each) => [each.filename, Buffer.from(each.content).toString('hex')]),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('nodemailer delivers to fakeSmtp, over STARTTLS with login, and from its pool', async () => {
  await using server = await fakeSmtp({ tls: 'starttls', users: { me: 'pass' } });
  const transport = nodemailer.createTransport({
    host: server.host,
    port: server.port,
    requireTLS: true,
    auth: { user: 'me', pass: 'pass' },
    tls: { ca: server.ca as string, servername: 'localhost' },
    pool: true,
  });
  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      transport.sendMail({
        from: 'a@b.example',
        to: `c${index}@d.example`,
        subject: `Grüße ${index}`,
        text: 'hi\n.\n..',
        attachments: [{ filename: 'x.bin', content: Buffer.alloc(100_000, 1) }],
      }),
    ),
  );
  transport.close();
  expect(server.messages).toHaveLength(10);
  const mail = await server.waitForMail({ to: 'c3@', subject: 'Grüße 3' });
  const parsed = await simpleParser(Buffer.from(mail.raw));
  expect(parsed.text).toBe('hi\n.\n..');
  expect(parsed.attachments[0]?.content.equals(Buffer.alloc(100_000, 1))).toBe(true);
});
