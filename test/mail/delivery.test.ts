import { X509Certificate, createHash } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type MailResolver, mtaStsAllows, mxSender, parseMtaStsPolicy, sendMail } from '../../src/mail/index.ts';
import { SmtpSendError, retryable } from '../../src/smtp/index.ts';
import { testAuthority } from '../../src/testing/certificates.ts';
import { type FakeSmtp, type FakeSmtpOptions, fakeHttp, fakeSmtp } from '../../src/testing/index.ts';

/** One fake a host, all on one port as mail servers are: `name` answers at an address of loopback of its own. */
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});
const authority = await testAuthority();

class World {
  readonly hosts = new Map<string, string>();
  readonly servers = new Map<string, FakeSmtp>();
  readonly mxRecords = new Map<string, { exchange: string; priority: number; secure?: boolean }[] | Error>();
  readonly tlsaRecords = new Map<
    string,
    { usage: number; selector: number; matchingType: number; data: Uint8Array }[]
  >();
  readonly txtRecords = new Map<string, string>();
  policy: string | undefined;
  port = 0;
  fetches = 0;

  async host(name: string, options: FakeSmtpOptions = {}): Promise<FakeSmtp> {
    const address = `127.0.0.${this.hosts.size + 2}`;
    const certificate =
      options.tls === undefined ? undefined : (options.certificate ?? (await authority.issue('valid', [name])));
    const server = await fakeSmtp({ ...options, host: address, port: this.port, ...(certificate && { certificate }) });
    this.port = server.port;
    open.push(server);
    this.hosts.set(name, address);
    this.servers.set(name, server);
    return server;
  }

  resolver: MailResolver = {
    mx: async (domain) => {
      const records = this.mxRecords.get(domain);
      if (records instanceof Error) throw records;
      if (records === undefined) throw Object.assign(new Error('no data'), { code: 'ENODATA' });
      return records;
    },
    txt: async (name) => {
      const text = this.txtRecords.get(name);
      if (text === undefined) throw Object.assign(new Error('no data'), { code: 'ENODATA' });
      return [[text]];
    },
    tlsa: async (name) => {
      const records = this.tlsaRecords.get(name.replace(/^_\d+/, '_25'));
      if (records === undefined) throw Object.assign(new Error('no data'), { code: 'ENODATA' });
      return { secure: true, records };
    },
  };

  async sender(options: Parameters<typeof mxSender>[0] = {}) {
    const web = await fakeHttp({ tls: 'implicit', certificate: await authority.issue('valid', ['mta-sts.b.example']) });
    open.push(web);
    web.route('/.well-known/mta-sts.txt', () => {
      this.fetches++;
      return this.policy === undefined
        ? { status: 404, body: '' }
        : { status: 200, headers: { 'content-type': 'text/plain' }, body: this.policy };
    });
    return mxSender({
      resolver: this.resolver,
      port: this.port,
      lookup: async (host) => {
        const address = this.hosts.get(host) ?? (host.startsWith('127.') ? host : undefined);
        if (address === undefined) throw Object.assign(new Error(`no ${host}`), { code: 'ENOTFOUND' });
        return [{ address, family: 4 as const }];
      },
      blockAddresses: [],
      ca: authority.ca,
      http: { tls: { ca: authority.ca }, connect: () => connect(web.port, '127.0.0.1') },
      ...options,
    });
  }

  to = (...addresses: string[]) => ({ from: 'a@a.example', to: addresses });
}

const message = 'Subject: x\r\n\r\ny\r\n';
const failure = async (promise: Promise<unknown>): Promise<SmtpSendError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SmtpSendError);
  return error as SmtpSendError;
};
const secured = (server: FakeSmtp | undefined): boolean[] => (server?.messages ?? []).map(({ secure }) => secure);

describe('mail exchangers', () => {
  test('are tried in the order of their preference', async () => {
    const world = new World();
    const backup = await world.host('mx2.b.example');
    const first = await world.host('mx1.b.example');
    world.mxRecords.set('b.example', [
      { exchange: 'mx2.b.example.', priority: 20 },
      { exchange: 'MX1.b.example', priority: 10 },
      { exchange: 'gone.b.example', priority: 5 },
    ]);
    const sender = await world.sender();
    await sender.send(world.to('x@b.example', 'y@B.example'), message);
    expect([first.messages.length, backup.messages.length]).toEqual([1, 0]);
    expect(first.messages[0]?.envelope.to).toEqual(['x@b.example', 'y@B.example']);
    first.on('CONNECT').reply(421, '4.3.2 closing');
    await sender.send(world.to('x@b.example'), message);
    expect(backup.messages.length).toBe(1);
  });

  test('without any, the domain itself is asked; a null MX takes nothing; a literal is an address', async () => {
    const world = new World();
    const itself = await world.host('b.example');
    world.mxRecords.set('null.example', [{ exchange: '.', priority: 0 }]);
    world.mxRecords.set('none.example', Object.assign(new Error('x'), { code: 'ENOTFOUND' }));
    world.mxRecords.set('broken.example', Object.assign(new Error('servfail'), { code: 'ESERVFAIL' }));
    const sender = await world.sender();
    const result = await sender.send(
      world.to('x@b.example', 'y@null.example', 'z@none.example', 'v@broken.example', `w@[${itself.host}]`),
      message,
    );
    expect(result.accepted).toEqual(['x@b.example', `w@[${itself.host}]`]);
    expect(result.recipients.map(({ status, temporary, reply }) => [status, temporary, reply?.enhanced])).toEqual([
      ['accepted', false, '2.1.5'],
      ['refused', false, '5.1.10'],
      ['refused', false, '5.1.2'],
      ['unsent', true, '4.4.3'],
      ['accepted', false, '2.1.5'],
    ]);
    expect(retryable(result)).toEqual(['v@broken.example']);
  });

  test('a refusal is final, and is not taken to the next', async () => {
    const world = new World();
    const first = await world.host('mx1.b.example');
    const second = await world.host('mx2.b.example');
    first.on('RCPT').reply(550, '5.1.1 no such user');
    world.mxRecords.set('b.example', [
      { exchange: 'mx1.b.example', priority: 1 },
      { exchange: 'mx2.b.example', priority: 2 },
    ]);
    const error = await failure((await world.sender()).send(world.to('x@b.example'), message));
    expect(error.recipients[0]).toMatchObject({ status: 'refused', reply: { code: 550 } });
    expect(second.transcript).toEqual([]);
  });

  test('an exchanger at a private address is not connected to', async () => {
    const world = new World();
    const server = await world.host('mx.b.example');
    world.mxRecords.set('b.example', [{ exchange: 'mx.b.example', priority: 1 }]);
    const error = await failure(
      (await world.sender({ blockAddresses: 'private' })).send(world.to('x@b.example'), message),
    );
    expect(error.message).toMatch(/blockAddresses excludes/);
    expect(server.transcript).toEqual([]);
  });

  test('sendMail takes it', async () => {
    const world = new World();
    const server = await world.host('b.example');
    await sendMail(await world.sender(), { from: 'a@a.example', to: 'x@b.example', subject: 'Hi', text: 'Hello' });
    expect(server.messages[0]?.text).toContain('Hello');
  });
});

describe('TLS on the way', () => {
  test('opportunistic: with any certificate, or none where none is offered', async () => {
    const world = new World();
    for (const [name, options] of [
      ['good', { tls: 'starttls' }],
      ['expired', { tls: 'starttls', certificate: 'expired' }],
      ['foreign', { tls: 'starttls', certificate: 'self-signed' }],
      ['plain', {}],
    ] as const)
      await world.host(`${name}.example`, options);
    const sender = await world.sender();
    await sender.send(world.to('x@good.example', 'x@expired.example', 'x@foreign.example', 'x@plain.example'), message);
    expect([...world.servers.values()].map(secured)).toEqual([[true], [true], [true], [false]]);
    const strict = await world.sender({ security: 'verified' });
    const result = await strict.send(
      world.to('x@good.example', 'x@expired.example', 'x@foreign.example', 'x@plain.example'),
      message,
    );
    expect(result.accepted).toEqual(['x@good.example']);
    expect(retryable(result).length).toBe(3);
  });

  test('MTA-STS: enforced, kept, and in force while nobody can be asked', async () => {
    const world = new World();
    const good = await world.host('mx.b.example', { tls: 'starttls' });
    const other = await world.host('mx.evil.example', { tls: 'starttls' });
    const bad = await world.host('mx2.b.example', { tls: 'starttls', certificate: 'expired' });
    world.mxRecords.set('b.example', [
      { exchange: 'mx.evil.example', priority: 1 },
      { exchange: 'mx2.b.example', priority: 2 },
      { exchange: 'mx.b.example', priority: 3 },
    ]);
    world.txtRecords.set('_mta-sts.b.example', 'v=STSv1; id=20240101;');
    world.policy = 'version: STSv1\nmode: enforce\nmx: *.b.example\nmax_age: 86400\n';
    const sender = await world.sender();
    await sender.send(world.to('x@b.example'), message);
    expect([good, other, bad].map(({ messages }) => messages.length)).toEqual([1, 0, 0]);
    await sender.send(world.to('x@b.example'), message);
    expect(world.fetches).toBe(1);
    // Somebody suppresses the record, then the whole answer: the policy stays.
    world.txtRecords.clear();
    world.mxRecords.set('b.example', [{ exchange: 'mx.evil.example', priority: 1 }]);
    const error = await failure(sender.send(world.to('x@b.example'), message));
    expect(error.message).toMatch(/MTA-STS policy allows/);
    expect(other.messages).toEqual([]);
    // A new id, a new policy.
    world.txtRecords.set('_mta-sts.b.example', 'v=STSv1; id=2;');
    world.policy = 'version: STSv1\nmode: testing\nmx: mx.b.example\nmax_age: 86400\n';
    await sender.send(world.to('x@b.example'), message);
    expect(other.messages.length).toBe(1);
  });

  test('DANE: the certificate, an authority in the chain, and nothing else', async () => {
    const world = new World();
    const certificate = await authority.issue('self-signed', ['mx.b.example']);
    const server = await world.host('mx.b.example', { tls: 'starttls', certificate });
    const leaf = new X509Certificate(certificate.cert);
    const key = leaf.publicKey.export({ type: 'spki', format: 'der' });
    world.mxRecords.set('b.example', [{ exchange: 'mx.b.example', priority: 1, secure: true }]);
    const sender = await world.sender();
    const name = '_25._tcp.mx.b.example';
    const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
    for (const data of [
      { usage: 3, selector: 1, matchingType: 1, data: sha256(key) },
      { usage: 3, selector: 0, matchingType: 1, data: sha256(leaf.raw) },
      { usage: 3, selector: 0, matchingType: 0, data: leaf.raw },
      { usage: 3, selector: 1, matchingType: 2, data: createHash('sha512').update(key).digest() },
    ]) {
      world.tlsaRecords.set(name, [data]);
      await sender.send(world.to('x@b.example'), message);
    }
    expect(secured(server)).toEqual([true, true, true, true]);
    // Another key: not by TLS, and not without it either.
    world.tlsaRecords.set(name, [{ usage: 3, selector: 1, matchingType: 1, data: sha256(Buffer.from('other')) }]);
    const error = await failure(sender.send(world.to('x@b.example'), message));
    expect(error.cause).toMatchObject({ code: 'TLS', reason: 'DANE_MISMATCH' });
    // Records of no use still say that there is TLS.
    world.tlsaRecords.set(name, [{ usage: 0, selector: 0, matchingType: 1, data: sha256(leaf.raw) }]);
    await sender.send(world.to('x@b.example'), message);
    // Without a secure answer about the exchangers there is no DANE.
    world.tlsaRecords.set(name, [{ usage: 3, selector: 1, matchingType: 1, data: sha256(Buffer.from('other')) }]);
    world.mxRecords.set('b.example', [{ exchange: 'mx.b.example', priority: 1 }]);
    await sender.send(world.to('x@b.example'), message);
    expect(secured(server)).toEqual([true, true, true, true, true, true]);
  });

  test('DANE by an authority checks chain and name', async () => {
    const world = new World();
    const issued = await authority.issue('valid', ['mx.b.example']);
    const chain = { ...issued, cert: `${issued.cert}\n${authority.ca}` };
    const server = await world.host('mx.b.example', { tls: 'starttls', certificate: chain });
    await world.host('mx.c.example', { tls: 'starttls', certificate: chain });
    const root = new X509Certificate(authority.ca);
    const record = { usage: 2, selector: 0, matchingType: 1, data: createHash('sha256').update(root.raw).digest() };
    for (const domain of ['b.example', 'c.example']) {
      world.mxRecords.set(domain, [{ exchange: `mx.${domain}`, priority: 1, secure: true }]);
      world.tlsaRecords.set(`_25._tcp.mx.${domain}`, [record]);
    }
    const sender = await world.sender({ ca: undefined });
    const result = await sender.send(world.to('x@b.example', 'x@c.example'), message);
    expect(result.accepted).toEqual(['x@b.example']);
    expect(secured(server)).toEqual([true]);
    expect(result.refused[0]?.reply?.text).toMatch(/another name/);
  });

  test('a server that cannot say whether there are records is not trusted to have none', async () => {
    const world = new World();
    await world.host('mx.b.example');
    world.mxRecords.set('b.example', [{ exchange: 'mx.b.example', priority: 1, secure: true }]);
    world.resolver.tlsa = () => Promise.reject(Object.assign(new Error('servfail'), { code: 'ESERVFAIL' }));
    const error = await failure((await world.sender()).send(world.to('x@b.example'), message));
    expect(error.recipients[0]).toMatchObject({ status: 'unsent', temporary: true });
  });
});

test.each([
  ['version: STSv1\r\nmode: enforce\r\nmx: a.example\r\nmax_age: 604800\r\n', 'enforce'],
  ['version: STSv1\nmode: none\nmax_age: 0', 'none'],
  ['mode: enforce\nmx: a.example\nmax_age: 1', undefined],
  ['version: STSv1\nmode: enforce\nmax_age: 1', undefined],
  ['version: STSv1\nmode: strict\nmx: a\nmax_age: 1', undefined],
  ['version: STSv1\nmode: enforce\nmx: a\nmax_age: soon', undefined],
  ['<html></html>', undefined],
])('the policy %j', (text, mode) => expect(parseMtaStsPolicy(text)?.mode).toBe(mode));

test('a wildcard of a policy stands for one label', () => {
  const policy = { mode: 'enforce', mx: ['*.b.example', 'mail.c.example'], maxAgeSeconds: 1 } as const;
  const hosts = ['mx.b.example', 'MX.B.example.', 'a.mx.b.example', 'b.example', 'mail.c.example', 'xmail.c.example'];
  expect(hosts.map((host) => mtaStsAllows(policy, host))).toEqual([true, true, false, false, true, false]);
});
