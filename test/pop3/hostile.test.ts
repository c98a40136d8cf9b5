import { afterEach, describe, expect, test } from 'vitest';
import { ClosedError, LimitError, PostwireError, UsageError } from '../../src/errors.ts';
import { sendMail } from '../../src/mail/index.ts';
import { Pop3Client, type Pop3Options } from '../../src/pop3/index.ts';
import { type FakeMailHost, fakeMailHost } from '../../src/testing/index.ts';
import { scriptedServer } from '../smtp/scripted-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const host = async (): Promise<FakeMailHost> => {
  const servers = await fakeMailHost({ users: { 'ann@example.com': 'pw' } });
  open.push(servers);
  return servers;
};
const scripted = async (steps: readonly (string | null)[], options: Pop3Options = {}) => {
  const server = await scriptedServer(['+OK hi\r\n', '-ERR no CAPA\r\n', ...steps]);
  open.push(server);
  const client = await Pop3Client.connect(`pop3://127.0.0.1:${server.port}?tls=none`, options);
  open.push({ close: () => client.destroy() });
  return { server, client };
};
const caught = async (promise: Promise<unknown>): Promise<PostwireError> => {
  try {
    await promise;
  } catch (error) {
    return error as PostwireError;
  }
  throw new Error('it did not fail');
};

describe('what is sent by SMTP is read by POP3', () => {
  test('the same bytes, in order, over one store', async () => {
    const servers = await host();
    for (const subject of ['one', 'two', 'three'])
      await sendMail(servers.smtp.url, {
        from: 'ann@example.com',
        to: 'ann@example.com',
        subject,
        text: '.\r\n..dots\r\n',
      });
    await using client = await Pop3Client.connect(servers.pop3.url);
    const read: string[] = [];
    for await (const message of client.messages()) read.push(Buffer.from(message.bytes).toString('latin1'));
    expect(read).toEqual(
      servers.store.messages.map((mail) =>
        Buffer.from(mail.raw)
          .toString('latin1')
          .replace(/(?:\r\n)?$/, '\r\n'),
      ),
    );
  });
});

describe('hostile servers', () => {
  test('POP-04: dots, and an end that is split anywhere or only looks like one', async () => {
    const bodies = ['..x\r\n.\r\n', '...\r\n.\r\n', '.x\r\n.\r\n', 'a\n.\nb\r\n.\r\n', '.\r\n'];
    const wanted = ['.x\r\n', '..\r\n', 'x\r\n', 'a\n.\nb\r\n', ''];
    const { client } = await scripted(bodies.map((body) => `+OK\r\n${body}`));
    for (const each of wanted) expect(await (await client.retr(1)).text()).toBe(each);
  });

  test('POP-05: an announced size is a hint; what is held has a cap, what is streamed has none', async () => {
    const body = `${'y'.repeat(998)}\r\n`.repeat(300);
    const streamed = await scripted([`+OK 10 octets\r\n${body}.\r\n`]);
    expect((await (await streamed.client.retr(1)).bytes()).length).toBe(300_000);
    const held = await scripted(['+OK\r\n1 10\r\n.\r\n', '-ERR no UIDL\r\n', `+OK 10 octets\r\n${body}.\r\n`], {
      limits: { messageBytes: 100_000 },
    });
    expect(
      await caught(
        (async () => {
          for await (const _message of held.client.messages()) continue;
        })(),
      ),
    ).toBeInstanceOf(LimitError);
    expect((await held.client.closed).by).toBe('error');
  });

  test('one refused message does not lose those before it', async () => {
    const { client } = await scripted([
      '+OK\r\n1 3\r\n2 3\r\n.\r\n',
      '+OK\r\n1 a\r\n2 b\r\n.\r\n',
      '+OK\r\none\r\n.\r\n',
      '-ERR [SYS/TEMP] gone\r\n',
      '+OK\r\n',
    ]);
    const seen: string[] = [];
    const error = await caught(
      (async () => {
        for await (const { uid } of client.messages()) seen.push(uid ?? '');
      })(),
    );
    expect(seen).toEqual(['a']);
    expect(error).toMatchObject({ code: 'REPLY', temporary: true, reusable: true });
    await client.noop();
  });

  test('POP-07: what is not a status closes the connection', async () => {
    for (const bad of ['250 OK\r\n', '+ok\r\n', '\r\n']) {
      const { client } = await scripted([bad]);
      expect(await caught(client.noop()), bad).toMatchObject({ code: 'PROTOCOL' });
      expect(await caught(client.noop())).toBeInstanceOf(ClosedError);
    }
  });

  test('POP-08: APOP only when it is asked for', async () => {
    const servers = await host();
    await (await Pop3Client.connect(servers.pop3.url)).quit();
    expect(servers.pop3.transcript.join('\n')).not.toContain('APOP');
  });

  test('POP-09: a message that breaks off is never whole, and nothing was deleted', async () => {
    const { client } = await scripted(['+OK\r\n', '+OK\r\nhalf a mess', null]);
    await client.dele(1);
    const stream = await client.retr(2);
    const reading = caught(stream.bytes());
    client.connection.destroy(new Error('cable'));
    expect((await reading).message).toMatch(/cable|closed/);
    expect(client.deletions).toEqual({ numbers: [1], state: 'not-committed' });
    const servers = await host();
    servers.store.add({
      envelope: { from: 'b@c.example', to: ['ann@example.com'], parameters: new Map() },
      raw: Buffer.alloc(5_000_000, 'x\r\n'),
      receivedAt: new Date(),
      secure: false,
      user: undefined,
    });
    const controller = new AbortController();
    const other = await Pop3Client.connect(servers.pop3.url);
    const reason = new Error('enough');
    const large = await other.retr(1, { signal: controller.signal });
    const failed = await caught(
      (async () => {
        for await (const _chunk of large) controller.abort(reason);
      })(),
    );
    expect(failed).toBe(reason);
    expect(await caught(other.noop())).toBeInstanceOf(PostwireError);
  });

  test('POP-11: a body line may be long where a status line may not', async () => {
    const { client } = await scripted([`+OK\r\n${'z'.repeat(100_000)}\r\n.\r\n`, `+OK ${'z'.repeat(100_000)}\r\n`]);
    expect((await (await client.retr(1)).bytes()).length).toBe(100_002);
    expect(await caught(client.noop())).toBeInstanceOf(LimitError);
  });

  test('a second stream, or a command, while one is open is refused at once; nothing hangs', async () => {
    const servers = await host();
    for (const subject of ['one', 'two'])
      await sendMail(servers.smtp.url, { from: 'ann@example.com', to: 'ann@example.com', subject, text: 'x' });
    await using client = await Pop3Client.connect(servers.pop3.url);
    const stream = await client.retr(1);
    for (const attempt of [client.retr(2), client.noop(), client.stat(), client.dele(1)])
      expect(await caught(attempt)).toBeInstanceOf(UsageError);
    await stream.bytes();
    expect(await (await client.retr(2)).text()).toContain('Subject: two');
    const given = await client.retr(1);
    for await (const _chunk of given) break;
    expect((await client.stat()).count).toBe(2);
  });

  test('SOCK-30: the password shows nowhere', async () => {
    const servers = await fakeMailHost({ users: { u: 'S3cret-Marker' } });
    open.push(servers);
    for (const mechanisms of [['PLAIN'], ['LOGIN'], ['SCRAM-SHA-256'], ['CRAM-MD5']]) {
      const lines: string[] = [];
      const client = await Pop3Client.connect({
        host: servers.pop3.host,
        port: servers.pop3.port,
        tls: 'none',
        user: 'u',
        password: 'S3cret-Marker',
        mechanisms,
        allowInsecureAuth: true,
        trace: (entry) => lines.push(entry.text),
      });
      await client.quit();
      const seen = [...lines, ...servers.pop3.transcript].join('\n');
      expect(seen).not.toContain('S3cret');
      expect(seen).not.toContain(Buffer.from('\0u\0S3cret-Marker').toString('base64'));
    }
    const wrong = await caught(
      Pop3Client.connect({
        host: servers.pop3.host,
        port: servers.pop3.port,
        tls: 'none',
        user: 'u',
        password: 'Wr0ng-Marker',
        allowInsecureAuth: true,
      }),
    );
    expect(wrong).toMatchObject({ code: 'AUTH' });
    expect(`${wrong.stack ?? ''} ${JSON.stringify(wrong)}`).not.toContain('Wr0ng');
  });

  test('the script answers in the protocol’s own form', async () => {
    const servers = await host();
    servers.pop3.on('NOOP').once().reply('-ERR', '[SYS/TEMP] busy');
    await using client = await Pop3Client.connect(servers.pop3.url);
    expect(await caught(client.noop())).toMatchObject({
      code: 'REPLY',
      temporary: true,
      reply: { enhanced: 'SYS/TEMP' },
    });
    await client.noop();
  });
});
