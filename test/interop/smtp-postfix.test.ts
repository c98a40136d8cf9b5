import { expect, test } from 'vitest';
import { SmtpClient } from '../../src/smtp/index.ts';
import { smtpClientSuite } from '../suites/smtp.ts';
import { startPostfix } from './postfix.ts';

let current: Awaited<ReturnType<typeof startPostfix>>;
smtpClientSuite('Postfix', async () => {
  current = await startPostfix();
  return { ...current, close: async () => {} };
});

test('every mechanism that Dovecot offers, and a wrong password', async () => {
  const target = {
    host: '127.0.0.1',
    port: current.port,
    user: 'user',
    tls: { mode: 'starttls' as const, ca: current.ca },
  };
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'CRAM-MD5', 'PLAIN', 'LOGIN']) {
    const client = await SmtpClient.connect({ ...target, password: 'pass word', mechanisms: [mechanism] });
    expect(client.secure).toBe(true);
    await client.quit();
  }
  await expect(SmtpClient.connect({ ...target, password: 'wrong', mechanisms: ['PLAIN'] })).rejects.toMatchObject({
    code: 'AUTH',
    reason: 'bad-credentials',
  });
  await current.close();
});
