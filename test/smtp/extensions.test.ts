import { describe, expect, test } from 'vitest';
import { type SendOptions, SmtpClient } from '../../src/smtp/index.ts';
import { fakeSmtp } from '../../src/testing/index.ts';

const offers = {
  DSN: true,
  REQUIRETLS: true,
  DELIVERBY: '60',
  'MT-PRIORITY': true,
  FUTURERELEASE: '86400 2030-01-01T00:00:00Z',
  AUTH: 'PLAIN',
};
const send = async (
  options: SendOptions,
  capabilities: Record<string, boolean | string> = offers,
): Promise<string[]> => {
  await using server = await fakeSmtp({ capabilities });
  await using client = await SmtpClient.connect(server.url);
  await client.send(
    { from: 'a@example.com', to: ['b@example.com', 'c@example.com'] },
    'Subject: x\r\n\r\ny\r\n',
    options,
  );
  return server.transcript.filter((line) => /^C: (?:MAIL|RCPT)/.test(line)).map((line) => line.slice(3));
};
const mail = async (options: SendOptions): Promise<string> =>
  ((await send(options))[0] as string).replace(/ SIZE=\d+/, '');

describe('what a message asks on its way', () => {
  test('DSN: when, how much, by what name, for whom', async () => {
    const [from, first, second] = await send({
      dsn: {
        notify: ['success', 'delay'],
        return: 'headers',
        envelopeId: 'QQ 3+1=4',
        originalRecipient: (address) => (address.startsWith('b') ? 'b+x@example.org' : 'ü@example.org'),
      },
    });
    expect(from).toMatch(/ RET=HDRS ENVID=QQ\+203\+2B1\+3D4$/);
    expect(first).toBe('RCPT TO:<b@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bx@example.org');
    expect(second).toBe('RCPT TO:<c@example.com> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;ü@example.org');
    expect((await send({ dsn: { notify: 'never' } }))[1]).toBe('RCPT TO:<b@example.com> NOTIFY=NEVER');
  });
  test.each([
    [{ requireTls: true }, 'REQUIRETLS'],
    [{ deliverBy: { seconds: 120, otherwise: 'return' } }, 'BY=120;R'],
    [{ deliverBy: { seconds: 5, otherwise: 'notify' } }, 'BY=5;N'],
    [{ mtPriority: -4 }, 'MT-PRIORITY=-4'],
    [{ holdFor: 600 }, 'HOLDFOR=600'],
    [{ submitter: 'e+mc2@example.com' }, 'AUTH=e+2Bmc2@example.com'],
    [{ submitter: '' }, 'AUTH=<>'],
  ] as const)('%j', async (options, wanted) => {
    expect(await mail(options)).toBe(`MAIL FROM:<a@example.com> ${wanted}`);
  });
  test('a date to hold it until', async () => {
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
    expect(await mail({ holdFor: until })).toBe(
      `MAIL FROM:<a@example.com> HOLDUNTIL=${until.toISOString().slice(0, 19)}Z`,
    );
  });
  test.each([
    { dsn: { notify: 'never' } },
    { requireTls: true },
    { deliverBy: { seconds: 9, otherwise: 'notify' } },
    { mtPriority: 1 },
    { holdFor: 1 },
    { submitter: '' },
  ] as SendOptions[])('%j is refused where it is not offered, and nothing is sent', async (options) => {
    const none = Object.fromEntries(Object.keys(offers).map((name) => [name, false]));
    await expect(send(options, none)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
  test.each([
    { dsn: { notify: [] } },
    { dsn: { notify: ['never', 'success'] as never } },
    { dsn: { envelopeId: 'a\r\nb' } },
    { dsn: { originalRecipient: () => 'a b' } },
    { dsn: { return: 'all' as never } },
    { deliverBy: { seconds: 0, otherwise: 'return' } },
    { mtPriority: 10 },
    { holdFor: -1 },
    { submitter: 'a\r\nb@c' },
  ] as SendOptions[])('%j is no such thing', async (options) => {
    await expect(send(options)).rejects.toMatchObject({ code: 'USAGE' });
  });
  test('what the server cannot promise it is not asked for', async () => {
    await expect(send({ deliverBy: { seconds: 5, otherwise: 'return' } })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await expect(send({ holdFor: 90_000 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
