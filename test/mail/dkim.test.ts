import { canonicalField } from '../../src/mail/dkim/canonical.ts';
import { createHash, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import nodemailer from 'nodemailer';
import { describe, expect, test } from 'vitest';
import { type DkimSignOptions, type TxtResolver, dkimSign, dkimVerify, sendMail } from '../../src/mail/index.ts';
import { fakeSmtp } from '../../src/testing/index.ts';

const none = (): never => {
  throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
};
const dns =
  (records: Record<string, string | string[]>): TxtResolver =>
  async (name) => {
    const found = records[name] ?? none();
    return [typeof found === 'string' ? [found] : found];
  };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const recordOf = {
  rsa: `v=DKIM1; k=rsa; p=${rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`,
  ed: `v=DKIM1; k=ed25519; p=${ed.publicKey.export({ type: 'spki', format: 'der' }).subarray(12).toString('base64')}`,
};
const resolver = dns({ 'r._domainkey.example.com': recordOf.rsa, 'e._domainkey.example.com': recordOf.ed });
const withRsa: DkimSignOptions = {
  domain: 'example.com',
  selector: 'r',
  privateKey: rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
};
const withEd: DkimSignOptions = { domain: 'example.com', selector: 'e', privateKey: ed.privateKey };
const mail = (body: string, header = 'From: a@example.com\r\nTo: b@example.com\r\nSubject: Hi\r\n'): string =>
  `${header}\r\n${body}`;
const verdicts = async (message: string | Uint8Array, options = {}): Promise<string[]> =>
  (await dkimVerify(message, { resolver, ...options })).map(({ status, reason }) =>
    reason === undefined ? status : `${status}: ${reason}`,
  );

/** RFC 8463 appendix A: an independent signer's words, both algorithms. */
const example = `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
`;
const exampleDns = dns({
  'brisbane._domainkey.football.example.com': 'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
  'test._domainkey.football.example.com': [
    'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/b',
    'yYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
  ],
});

describe('verifying', () => {
  test('the example of RFC 8463 passes, with LF or CRLF, in pieces of any size', async () => {
    const bytes = Buffer.from(example);
    for (const size of [1, 7, 1000, 100_000])
      expect(
        await verdicts(
          Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
            bytes.subarray(index * size, index * size + size),
          ) as unknown as Uint8Array,
          { resolver: exampleDns },
        ),
      ).toEqual(['pass', 'pass']);
    expect(await verdicts(example.replaceAll('\n', '\r\n'), { resolver: exampleDns })).toEqual(['pass', 'pass']);
  });
  test.each([
    ['a header field', 'dinner ready', 'dinner done', 'fail: a signed header'],
    ['a word of the body', 'the game', 'the match', 'fail: the body was changed'],
    ['a field in front', 'From: Joe', 'From: eve@evil.example\nFrom: Joe', 'fail: a signed header'],
    ['a field behind', 'Message-ID:', 'Subject: other\nMessage-ID:', 'fail: a signed header'],
    ['another hash', 'bh=2jU', 'bh=3jU', 'fail: the body was changed'],
    ['the version', 'v=1;', 'v=2;', 'permerror: the version'],
    ['no From signed', /from :/g, 'to :', 'permerror: From is not signed'],
    ['a foreign identity', 'i=@football.example.com', 'i=@evil.example', 'permerror: the identity'],
    ['rsa-sha1', 'a=ed25519-sha256', 'a=rsa-sha1', 'policy: rsa-sha1'],
    ['an unknown selector', 's=brisbane', 's=nowhere', 'permerror: there is no key at nowhere._domainkey'],
    ['an expiry', 't=1528637909;', 't=1528637909; x=1528637910;', 'permerror: it has expired'],
    ['a body length beyond the body', 't=1528637909;', 't=1528637909; l=9999;', 'permerror: the body is shorter'],
  ])('%s changed: %s becomes %s', async (_what, from: string | RegExp, to, wanted) => {
    const [first = ''] = await verdicts(example.replace(from, to), { resolver: exampleDns });
    expect(first.startsWith(wanted), first).toBe(true);
  });
  test('what changes only white space passes as relaxed', async () => {
    const changed =
      example.replace('Subject: Is dinner', 'SUBJECT :   Is\n dinner').replace('the game.  Are', 'the game. \tAre') +
      '\n\n \n';
    expect(await verdicts(changed, { resolver: exampleDns })).toEqual(['pass', 'pass']);
  });
  test.each([
    ['v=DKIM1; k=rsa; p=', 'permerror: the key at r._domainkey.example.com was revoked'],
    ['v=DKIM1; k=rsa; p=AAAA', 'permerror: the key at r._domainkey.example.com cannot be read'],
    [recordOf.ed, 'permerror: the key at r._domainkey.example.com is not for rsa'],
    [`${recordOf.rsa}; h=sha1`, 'permerror: the key at r._domainkey.example.com is not for SHA-256'],
    [`${recordOf.rsa}; s=web`, 'permerror: the key at r._domainkey.example.com is not for mail'],
    [recordOf.rsa.replace('DKIM1', 'DKIM2'), 'permerror: the record at r._domainkey.example.com is no DKIM key'],
    ['', 'permerror: the key at r._domainkey.example.com was revoked'],
  ])('the key record %s', async (record, wanted) => {
    const signed = (await dkimSign(mail('x\r\n'), withRsa)) + mail('x\r\n');
    expect(await verdicts(signed, { resolver: dns({ 'r._domainkey.example.com': record }) })).toEqual([wanted]);
  });
  test('a resolver that fails for now is temperror; testing and a partial body are told', async () => {
    const signed = (await dkimSign(mail('x\r\n'), withRsa)) + mail('x\r\n');
    const broken = async (): Promise<never> => {
      throw Object.assign(new Error('timeout'), { code: 'ETIMEOUT' });
    };
    expect(await verdicts(signed, { resolver: broken })).toEqual([
      'temperror: r._domainkey.example.com could not be asked for: ETIMEOUT',
    ]);
    const testing = dns({ 'r._domainkey.example.com': `${recordOf.rsa}; t=y` });
    expect(await dkimVerify(signed, { resolver: testing })).toMatchObject([
      { status: 'pass', testing: true, bodyIsPartial: false },
    ]);
    expect(await dkimVerify(signed.replace('v=1;', 'v=1; l=1;'), { resolver })).toMatchObject([
      { status: 'fail', bodyIsPartial: true },
    ]);
  });
  test('no signature is no result, and a hundred cost no more than eight', async () => {
    expect(await verdicts(mail('x'))).toEqual([]);
    let asked = 0;
    const counting: TxtResolver = async (name) => {
      asked++;
      return resolver(name);
    };
    const field = await dkimSign(mail('x'), withRsa);
    const all = await verdicts(field.repeat(100) + mail('x'), { resolver: counting });
    expect([asked, all.filter((each) => each === 'pass').length, all[99]]).toEqual([
      8,
      8,
      'permerror: the message has too many signatures',
    ]);
  });
});

describe('signing', () => {
  test('MB-15: any body, any form, both keys: what is signed verifies, and a changed byte does not', async () => {
    const piece = fc.constantFrom('a', ' ', '\t', '\r\n', '.', 'é', '\r\n\r\n', 'word ');
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 30 }),
        fc.constantFrom('simple', 'relaxed'),
        fc.constantFrom('simple', 'relaxed'),
        fc.boolean(),
        fc.integer({ min: 1, max: 40 }),
        async (pieces, header, body, useEd, size) => {
          const bytes = Buffer.from(mail(pieces.join('')));
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
            bytes.subarray(index * size, index * size + size),
          );
          const field = await dkimSign(chunks, {
            ...(useEd ? withEd : withRsa),
            canonicalization: `${header}/${body}` as const,
          });
          expect(await verdicts(Buffer.concat([Buffer.from(field), bytes]))).toEqual(['pass']);
          expect((await verdicts(Buffer.concat([Buffer.from(field), bytes, Buffer.from('!')])))[0]).toMatch(
            /^fail: the body/,
          );
        },
      ),
      { numRuns: 150 },
    );
  });
  test('nobody can add a field that was oversigned, nor one that was there', async () => {
    const field = await dkimSign(mail('x\r\n'), withRsa);
    for (const added of ['Subject: evil', 'From: evil@evil.example', 'Cc: c@example.com', 'Content-Type: text/html'])
      expect((await verdicts(field + mail('x\r\n').replace('\r\n\r\n', `\r\n${added}\r\n\r\n`)))[0], added).toMatch(
        /^fail/,
      );
    expect(await verdicts(field + mail('x\r\n').replace('\r\n\r\n', `\r\nX-Trace: 1\r\n\r\n`))).toEqual(['pass']);
  });
  test('lines stay short, and the tags say what was asked', async () => {
    const field = await dkimSign(mail('x'), {
      ...withRsa,
      identity: '@mail.example.com',
      signedAt: new Date(1_700_000_000_000),
      expiresInSeconds: 60,
    });
    for (const line of field.split('\r\n')) expect(line.length).toBeLessThanOrEqual(100);
    expect(field).toContain('i=@mail.example.com; t=1700000000; x=1700000060');
    expect(await verdicts(field + mail('x'), { now: new Date(1_700_000_030_000) })).toEqual(['pass']);
    expect(await verdicts(field + mail('x'))).toEqual(['permerror: it has expired']);
  });
  test.each([
    [{ domain: 'a b' }, /dkim\.domain/],
    [{ selector: 'a;b' }, /dkim\.selector/],
    [{ privateKey: 'nonsense-SECRET' }, /not a private key/],
    [{ privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }, /RSA or an Ed25519/],
    [{ canonicalization: 'loose/loose' as never }, /canonicalization/],
    [{ fields: ['Sub ject'] }, /header field/],
    [{ expiresInSeconds: -1 }, /expiresInSeconds/],
    [{ domian: 'x' } as never, /domain/],
  ])('%j is refused', async (wrong, message) => {
    await expect(dkimSign(mail('x'), { ...withRsa, ...wrong })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(message) as string,
    });
    await expect(dkimSign(mail('x'), { ...withRsa, ...wrong })).rejects.not.toThrow(/SECRET/);
  });
  test('a message without From cannot be signed', async () => {
    await expect(dkimSign('Subject: x\r\n\r\n', withRsa)).rejects.toThrow(/without From/);
  });
});

test('sendMail signs what it sends, small or streamed', async () => {
  await using server = await fakeSmtp();
  for (const size of [10, 3_000_000]) {
    await sendMail(
      server.url,
      {
        from: 'a@example.com',
        to: 'b@example.com',
        subject: '数据',
        text: 'x',
        attachments: [{ filename: 'a.bin', content: Buffer.alloc(size, 7) }],
      },
      { dkim: [withRsa, withEd] },
    );
    expect(await verdicts(server.messages.at(-1)?.raw as Uint8Array)).toEqual(['pass', 'pass']);
  }
  await expect(
    sendMail(
      server.url,
      { from: 'a@example.com', to: 'b@example.com', text: 'x' },
      { dkim: { ...withRsa, selector: '' } },
    ),
  ).rejects.toMatchObject({ code: 'USAGE' });
});

test('what nodemailer signs verifies', async () => {
  const transport = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  const sent = await transport.sendMail({
    from: 'a@example.com',
    to: 'b@example.com',
    subject: 'Ünï',
    text: 'hello  there \n\n\n',
    attachments: [{ filename: 'a.txt', content: 'abc' }],
    dkim: { domainName: 'example.com', keySelector: 'r', privateKey: withRsa.privateKey as string },
  });
  expect(await verdicts(sent.message as Buffer)).toEqual(['pass']);
});

test('a long body streams', async () => {
  const chunk = Buffer.from(`${'x'.repeat(70)}  \r\n`.repeat(1000));
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(mail(''));
    for (let index = 0; index < 300; index++) yield chunk;
  }
  const field = await dkimSign(source(), withEd);
  const wanted = createHash('sha256')
    .update(`${'x'.repeat(70)}\r\n`.repeat(300_000))
    .digest('base64');
  expect(field).toContain(`bh=${wanted}`);
});

test('relaxed: a value that ends with the byte A0, as the last of UTF-8 à does, keeps it', () => {
  const raw = Buffer.from('Subject:  voilà \t\r\n').toString('latin1');
  expect(canonicalField(raw, 'relaxed')).toBe(`subject:${Buffer.from('voilà').toString('latin1')}\r\n`);
});
