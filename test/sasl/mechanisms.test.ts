import { createHash, createVerify, generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { AuthError, UsageError } from '../../src/errors.ts';
import { type OAuth2Options, oauth2Refresh } from '../../src/mail/index.ts';
import { md4 } from '../../src/sasl/md4.ts';
import { ntlmKey, ntlmResponses } from '../../src/sasl/ntlm.ts';
import { ImapClient } from '../../src/imap/index.ts';
import { Pop3Client } from '../../src/pop3/index.ts';
import {
  type Accounts,
  type ChannelBinder,
  type Mechanism,
  anonymous,
  chooseMechanisms,
  digestMd5,
  external,
  ntlm,
  scramSha256,
  scramSha256Plus,
} from '../../src/sasl/index.ts';
import { SmtpClient } from '../../src/smtp/index.ts';
import { testTls } from '../../src/testing/certificates.ts';
import { fakeHttp, fakeImap, fakePop3, fakeSmtp } from '../../src/testing/index.ts';

const accounts: Accounts = {
  password: (user) => (user === 'user' ? 'pencil' : undefined),
  external: (authzid) => (authzid === 'root' ? undefined : authzid || 'by certificate'),
};
const login = { user: 'user', secret: 'pencil', authzid: undefined, host: 'mail.example.com', port: 25 };

/** Lets the two sides of a mechanism talk; the server's last word. */
async function talk(
  mechanism: Mechanism,
  client: Partial<Parameters<Mechanism['client']>[0]>,
  binder?: ChannelBinder,
): Promise<{ kind: string; text?: string; user?: string }> {
  const ours = mechanism.client({ ...login, ...client });
  const theirs = mechanism.server(accounts, binder);
  let step = await theirs.next(ours.start());
  for (let round = 0; step.kind === 'challenge' && round < 5; round++)
    step = await theirs.next(await ours.next(step.data));
  if (step.kind === 'success') ours.finish();
  return step;
}

const bound =
  (bytes: Uint8Array): ChannelBinder =>
  (type) =>
    type === 'tls-exporter' ? bytes : undefined;

test('a bound login succeeds on one connection, and nowhere else', async () => {
  const here = bound(randomBytes(32));
  const elsewhere = bound(randomBytes(32));
  expect(await talk(scramSha256Plus, { binder: here }, here)).toMatchObject({ kind: 'success', user: 'user' });
  expect(await talk(scramSha256Plus, { binder: elsewhere }, here)).toMatchObject({ kind: 'failure' });
  expect(await talk(scramSha256Plus, { binder: here }, undefined)).toMatchObject({
    text: 'unsupported channel binding',
  });
  expect(() => scramSha256Plus.client(login)).toThrow(UsageError);
});

test('a client that could have bound says so, and a server that offered it then refuses', async () => {
  const here = bound(randomBytes(32));
  expect(await talk(scramSha256, { binder: here, couldBind: true }, here)).toMatchObject({
    kind: 'failure',
    text: 'server does support channel binding',
  });
  expect(await talk(scramSha256, { binder: here, couldBind: true })).toMatchObject({ kind: 'success' });
  expect(await talk(scramSha256, { binder: here }, here)).toMatchObject({ kind: 'success' });
});

test.each([
  ['TLSv1.3', 'tls-exporter'],
  ['TLSv1.2', 'tls-server-end-point'],
] as const)('over %s the strongest mechanism is bound by %s, in every protocol', async (maxVersion, type) => {
  const users = { user: 'pencil' };
  const { ca, server: key } = await testTls();
  const options = { tls: 'implicit', users, certificate: { ...key, maxVersion } } as const;
  await using smtp = await fakeSmtp(options);
  await using imap = await fakeImap(options);
  await using pop3 = await fakePop3(options);
  for (const [server, Client] of [
    [smtp, SmtpClient],
    [imap, ImapClient],
    [pop3, Pop3Client],
  ] as const) {
    await using client = await Client.connect(server.url, {
      user: 'user',
      password: 'pencil',
      tls: { ca },
    });
    expect(server.transcript.join('\n')).toMatch(/AUTH\w* SCRAM-SHA-512-PLUS/);
    expect(client.connection.channelBinding(type)?.length).toBe(32);
    expect(client.connection.channelBinding('tls-unique')).toBeUndefined();
  }
});

test('the end point of a server is the hash of its certificate', async () => {
  await using server = await fakeSmtp({ tls: 'implicit' });
  await using client = await SmtpClient.connect(server.url, { tls: { ca: server.ca as string } });
  const fingerprint = client.connection.tls?.fingerprint256?.replaceAll(':', '').toLowerCase();
  const binding = client.connection.channelBinding('tls-server-end-point') as Uint8Array;
  expect(Buffer.from(binding).toString('hex')).toBe(fingerprint);
});

test('a server whose offer of binding was taken away is not logged in to', async () => {
  await using server = await fakeSmtp({
    tls: 'implicit',
    users: { user: 'pencil' },
    // What somebody between left of the offer.
    capabilities: { AUTH: 'SCRAM-SHA-256' },
  });
  const options = { user: 'user', password: 'pencil', tls: { ca: server.ca as string } };
  await expect(SmtpClient.connect(server.url, options)).rejects.toMatchObject({
    code: 'AUTH',
    message: expect.stringContaining('server does support channel binding') as string,
  });
  // Who names mechanisms without it does not want it.
  await (await SmtpClient.connect(server.url, { ...options, mechanisms: ['SCRAM-SHA-256'] })).quit();
});

test('DIGEST-MD5 by the example of RFC 2831 section 4', async () => {
  const ours = digestMd5.client({
    ...login,
    user: 'chris',
    secret: 'secret',
    host: 'elwood.innosoft.com',
    service: 'imap',
  });
  const answer = Buffer.from(
    await ours.next(
      Buffer.from('realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8'),
    ),
  ).toString();
  const cnonce = /cnonce="([^"]*)"/.exec(answer)?.[1] ?? '';
  const md5 = (data: Buffer | string) => createHash('md5').update(data).digest();
  const proof = (nonce: string, prefix: string) => {
    const first = md5(
      Buffer.concat([md5('chris:elwood.innosoft.com:secret'), Buffer.from(`:OA6MG9tEQGm2hh:${nonce}`)]),
    ).toString('hex');
    const second = md5(`${prefix}imap/elwood.innosoft.com`).toString('hex');
    return md5(`${first}:OA6MG9tEQGm2hh:00000001:${nonce}:auth:${second}`).toString('hex');
  };
  // The RFC's own figures, by its own nonce: this is the formula.
  expect(proof('OA6MHXh6VqTrRk', 'AUTHENTICATE:')).toBe('d388dad90d4bbd760a152321f2143af7');
  expect(proof('OA6MHXh6VqTrRk', ':')).toBe('ea40f60335c427b5527b84dbabcdfffd');
  expect(answer).toContain(`response=${proof(cnonce, 'AUTHENTICATE:')}`);
  expect(() => ours.next(Buffer.from('rspauth=ea40f60335c427b5527b84dbabcdfffd'))).toThrow(/does not match/);
  await ours.next(Buffer.from(`rspauth=${proof(cnonce, ':')}`));
  ours.finish();
});

test.each([
  ['realm="x",qop="auth",algorithm=md5-sess', /no nonce/],
  ['nonce="n",qop="auth",algorithm=md5', /md5-sess/],
  ['nonce="n",qop="auth-conf",algorithm=md5-sess', /security layer/],
  ['\u0000', /no nonce/],
])('DIGEST-MD5 refuses the challenge %j', (challenge, why) => {
  expect(() => digestMd5.client(login).next(Buffer.from(challenge))).toThrow(why);
});

test('DIGEST-MD5: a success without proof is none', () => {
  expect(() => digestMd5.client(login).finish()).toThrow(AuthError);
});

test.each([
  ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
  ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
  ['message digest', 'd9130a8164549fe818874806e1c7014b'],
  ['1234567890'.repeat(8), 'e33b4ddc9c38f2199c3e7b164fcc0536'],
])('MD4 of %j, by RFC 1320', (text, digest) => expect(md4(Buffer.from(text)).toString('hex')).toBe(digest));

test('NTLM by the figures of MS-NLMP section 4.2.4', () => {
  const key = ntlmKey('User', 'Domain', 'Password');
  expect(key.toString('hex')).toBe('0c868a403bfd7a93a3001ef22ef02e3f');
  const pair = (id: number, text: string) => {
    const value = Buffer.from(text, 'utf16le');
    return Buffer.concat([Buffer.from([id, 0, value.length, 0]), value]);
  };
  const info = Buffer.concat([pair(2, 'Domain'), pair(1, 'Server'), Buffer.alloc(4)]);
  const challenge = Buffer.from('0123456789abcdef', 'hex');
  const { nt, lm } = ntlmResponses(key, challenge, Buffer.alloc(8, 0xaa), Buffer.alloc(8), info);
  expect(nt.subarray(0, 16).toString('hex')).toBe('68cd0ab851e51c96aabc927bebef6a1c');
  expect(lm.toString('hex')).toBe('86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa');
});

test('NTLM: both sides, a wrong password, and challenges that are none', async () => {
  expect(await talk(ntlm, {})).toMatchObject({ kind: 'success', user: 'user' });
  expect(await talk(ntlm, { secret: 'other' })).toMatchObject({ kind: 'failure' });
  const client = ntlm.client(login);
  // QUIRK of Exchange: it says something before it wants the first message.
  expect(await client.next(Buffer.from('ntlm supported'))).toEqual(client.start());
  for (const bytes of ['', 'NTLMSSP\0\u0002', `NTLMSSP\0\u0002\0\0\0${'\u00ff'.repeat(40)}`])
    expect(() => client.next(Buffer.from(bytes, 'latin1'))).toThrow(/malformed/);
});

test('EXTERNAL and ANONYMOUS are used only when they are asked for', async () => {
  expect(await talk(external, {})).toMatchObject({ user: 'by certificate' });
  expect(await talk(external, { authzid: 'somebody' })).toMatchObject({ user: 'somebody' });
  expect(await talk(external, { authzid: 'root' })).toMatchObject({ kind: 'failure' });
  expect(await talk(anonymous, { user: 'trace' })).toMatchObject({ user: 'anonymous' });
  const offered = ['EXTERNAL', 'ANONYMOUS', 'PLAIN'];
  const names = (credentials: Parameters<typeof chooseMechanisms>[0]['credentials']) =>
    chooseMechanisms({ offered, credentials, secure: true }).map(({ name }) => name);
  expect(names({ user: 'u', password: 'p' })).toEqual(['PLAIN']);
  expect(names({ user: '', mechanisms: ['external'] })).toEqual(['EXTERNAL']);
  await using server = await fakeSmtp({ tls: 'implicit', users: {}, mechanisms: ['EXTERNAL', 'ANONYMOUS'] });
  const tls = { ca: server.ca as string };
  await (await SmtpClient.connect(server.url, { mechanisms: ['EXTERNAL'], authzid: 'me@example.com', tls })).quit();
  await (await SmtpClient.connect(server.url, { mechanisms: ['ANONYMOUS'], user: 'trace', tls })).quit();
  expect(server.transcript.filter((line) => line.startsWith('C: AUTH'))).toEqual([
    'C: AUTH EXTERNAL ***',
    'C: AUTH ANONYMOUS ***',
  ]);
  await expect(SmtpClient.connect(server.url, { user: 'u', tls })).rejects.toThrow(/without a password or token/);
});

test('oauth2Refresh keeps a token, shares one request, and asks again when it is refused', async () => {
  await using server = await fakeHttp();
  let count = 0;
  const forms: string[] = [];
  server.route('POST /token', ({ body }) => {
    forms.push(Buffer.from(body).toString());
    count++;
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ access_token: `t${count}`, expires_in: 3600, refresh_token: `r${count}` }),
    };
  });
  const onRefreshToken = vi.fn();
  const token = oauth2Refresh({
    tokenUrl: `${server.url}/token`,
    clientId: 'id',
    clientSecret: 'hush&=',
    refreshToken: 'r0',
    onRefreshToken,
  });
  expect(await Promise.all([token(), token({ force: false })])).toEqual(['t1', 't1']);
  expect(await token()).toBe('t1');
  expect(await token({ force: true })).toBe('t2');
  expect(new URLSearchParams(forms[0])).toEqual(
    new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'r0', client_id: 'id', client_secret: 'hush&=' }),
  );
  // The one that came with the first answer.
  expect(new URLSearchParams(forms[1]).get('refresh_token')).toBe('r1');
  expect(onRefreshToken.mock.calls).toEqual([['r1'], ['r2']]);
});

test('oauth2Refresh logs in, and a refused token is fetched anew', async () => {
  await using tokens = await fakeHttp();
  let count = 0;
  tokens.route('POST /token', () => ({
    status: 200,
    body: JSON.stringify({ access_token: `t${++count}`, expires_in: 3600 }),
  }));
  await using server = await fakeSmtp({ tls: 'implicit', tokens: { 'me@example.com': 't2' } });
  const client = await SmtpClient.connect(server.url, {
    user: 'me@example.com',
    token: oauth2Refresh({ tokenUrl: `${tokens.url}/token`, clientId: 'id', refreshToken: 'r' }),
    tls: { ca: server.ca as string },
  });
  await client.quit();
  expect(count).toBe(2);
});

test('oauth2Refresh: a refusal is told without the secrets', async () => {
  await using server = await fakeHttp();
  const answers = [
    { status: 400, body: '{"error":"invalid_grant","error_description":"Token has been expired or revoked."}' },
    { status: 503, body: 'busy' },
    { status: 200, body: '{"token_type":"bearer"}' },
    { status: 302, headers: { location: 'https://evil.example/' }, body: '' },
  ];
  server.route('POST /token', () => answers.shift() as { status: number; body: string });
  const token = oauth2Refresh({
    tokenUrl: `${server.url}/token`,
    clientId: 'id',
    clientSecret: 'hush',
    refreshToken: 'r0',
  });
  const errors: unknown[] = [];
  for (let round = 0; round < 4; round++) errors.push(await token().catch((error: unknown) => error));
  expect(errors).toMatchObject([
    { code: 'AUTH', reason: 'invalid_grant', message: expect.stringContaining('expired or revoked') as string },
    { code: 'CONNECT', temporary: true },
    { code: 'AUTH', message: expect.stringContaining('without an access token') as string },
    { code: 'CONNECT' },
  ]);
  expect(JSON.stringify(errors) + String(errors)).not.toMatch(/hush|r0/);
});

test('oauth2Refresh: a service account signs who it is', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await using server = await fakeHttp();
  let form = new URLSearchParams();
  server.route('POST /token', ({ body }) => {
    form = new URLSearchParams(Buffer.from(body).toString());
    return { status: 200, body: '{"access_token":"t","expires_in":"3599"}' };
  });
  const token = oauth2Refresh({
    preset: 'google',
    tokenUrl: `${server.url}/token`,
    serviceAccount: {
      email: 'robot@project.iam.example',
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      user: 'me@example.com',
    },
  });
  expect(await token()).toBe('t');
  const [head = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.');
  expect(createVerify('sha256').update(`${head}.${claims}`).verify(publicKey, signature, 'base64url')).toBe(true);
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    iss: 'robot@project.iam.example',
    sub: 'me@example.com',
    scope: 'https://mail.google.com/',
    aud: `${server.url}/token`,
  });
});

test.each<[OAuth2Options, RegExp]>([
  [{ clientId: 'x', refreshToken: 'r' }, /preset/],
  [{ preset: 'google', refreshToken: 'r' }, /clientId/],
  [{ preset: 'google', clientId: 'x' }, /one of refreshToken/],
  [{ tokenUrl: 'http://tokens.example/', clientId: 'x', refreshToken: 'r' }, /https/],
  [{ preset: 'yahoo' as never, clientId: 'x', refreshToken: 'r' }, /google or microsoft/],
  [{ preset: 'google', clientID: 'x', refreshToken: 'r' } as never, /clientId/],
])('oauth2Refresh(%j) is refused', (options, why) => {
  expect(() => oauth2Refresh(options)).toThrow(why);
});
