import { expect, test } from 'vitest';
import { Pop3Client } from '../../src/pop3/index.ts';
import { type FakeMailHost, fakeMailHost } from '../../src/testing/index.ts';

const users = { 'ann@example.com': 'pw' };

async function host(options: Parameters<typeof fakeMailHost>[0] = {}): Promise<FakeMailHost> {
  const servers = await fakeMailHost({ users, ...options });
  for (const text of ['one', '.two\r\n..', 'three']) {
    servers.store.add({
      envelope: { from: 'bob@example.com', to: ['ann@example.com'], parameters: new Map() },
      raw: new TextEncoder().encode(`Subject: x\r\n\r\n${text}\r\n`),
      receivedAt: new Date(),
      secure: false,
      user: undefined,
    });
  }
  return servers;
}

test('reads, deletes inside the loop, and reports the deletions committed', async () => {
  await using servers = await host();
  const client = await Pop3Client.connect(servers.pop3.url);
  expect((await client.stat()).count).toBe(3);
  const texts: string[] = [];
  for await (const message of client.messages({ skip: new Set(['postwire-1']) })) {
    texts.push(new TextDecoder().decode(message.bytes));
    await client.dele(message.number);
  }
  expect(texts).toEqual(['Subject: x\r\n\r\n.two\r\n..\r\n', 'Subject: x\r\n\r\nthree\r\n']);
  expect(await client.quit()).toEqual({ numbers: [2, 3], state: 'committed' });
  await using again = await Pop3Client.connect(servers.pop3.url);
  expect((await again.stat()).count).toBe(1);
});

test('retr streams, and a command meanwhile throws at once', async () => {
  await using servers = await host({ tls: 'starttls' });
  await using client = await Pop3Client.connect(servers.pop3.url, { tls: { ca: servers.pop3.ca as string } });
  expect(client.secure).toBe(true);
  const stream = await client.retr(1);
  await expect(client.noop()).rejects.toThrow('being streamed');
  expect(await stream.text()).toBe('Subject: x\r\n\r\none\r\n');
  await client.noop();
});

test('POP-01 arguments cannot end the line', async () => {
  await using servers = await host();
  await using client = await Pop3Client.connect(servers.pop3.url);
  await expect(client.command('NOOP', ['a\r\nDELE 1'])).rejects.toMatchObject({ code: 'USAGE' });
  await expect(client.dele('1\r\nDELE 2' as unknown as number)).rejects.toMatchObject({ code: 'USAGE' });
});

test('POP-02 what is injected behind +OK to STLS ends the connection', async () => {
  await using servers = await host({ tls: 'starttls' });
  servers.pop3.on('STLS').inject('+OK fake\r\n');
  const connecting = Pop3Client.connect(servers.pop3.url, { tls: { ca: servers.pop3.ca as string } });
  await expect(connecting).rejects.toMatchObject({ reason: 'STARTTLS_INJECTION' });
});

test('POP-03 without STLS no password leaves', async () => {
  await using servers = await host({ tls: 'starttls' });
  servers.pop3.on('CAPA').raw('-ERR no\r\n');
  await expect(Pop3Client.connect(servers.pop3.url)).rejects.toMatchObject({ code: 'TLS' });
  expect(servers.pop3.transcript.join('\n')).not.toMatch(/USER|PASS|AUTH/);
});

test('POP-10 a refused QUIT leaves the deletions unknown', async () => {
  await using servers = await host();
  servers.pop3.on('QUIT').raw('-ERR some deleted messages not removed\r\n');
  const client = await Pop3Client.connect(servers.pop3.url);
  await client.dele(1);
  expect((await client.quit()).state).toBe('unknown');
});
