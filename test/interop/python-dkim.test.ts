import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dkimSign, dkimVerify } from '../../src/mail/index.ts';
import { compose } from '../../src/mime/index.ts';
import { run } from './process.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const der = (key: typeof rsa.publicKey): Buffer => key.export({ type: 'spki', format: 'der' });
const records: Record<string, string> = {
  'r._domainkey.example.com': `v=DKIM1; k=rsa; p=${der(rsa.publicKey).toString('base64')}`,
  'e._domainkey.example.com': `v=DKIM1; k=ed25519; p=${der(ed.publicKey).subarray(12).toString('base64')}`,
};
const message = await compose({
  from: '王大锤 <me@example.com>',
  to: 'you@example.com',
  subject: '本月数据',
  text: 'two  spaces \n\n\n',
  attachments: [{ filename: 'a.bin', content: Buffer.alloc(20_000, 9) }],
}).bytes();

const check = `
import sys, json, dkim
records = json.loads(sys.argv[1])
message = open(sys.argv[2], 'rb').read()
d = dkim.DKIM(message)
out = []
for index in range(len([h for h in d.headers if h[0].lower() == b'dkim-signature'])):
    out.append(d.verify(idx=index, dnsfunc=lambda name, timeout=5: records[name.decode().rstrip('.')].encode()))
print(json.dumps(out))
`;
const make = `
import sys, dkim
message = open(sys.argv[1], 'rb').read()
key = open(sys.argv[2], 'rb').read()
sys.stdout.buffer.write(dkim.sign(message, b'r', b'example.com', key, canonicalize=(sys.argv[3].encode(), sys.argv[4].encode())))
`;

test.each(['relaxed/relaxed', 'simple/simple', 'relaxed/simple'] as const)(
  'what we sign with both keys, dkimpy verifies: %s',
  async (canonicalization) => {
    const options = { domain: 'example.com', canonicalization };
    const fields = [
      await dkimSign(message, { ...options, selector: 'r', privateKey: rsa.privateKey }),
      await dkimSign(message, { ...options, selector: 'e', privateKey: ed.privateKey }),
    ];
    const path = join(mkdtempSync(join(tmpdir(), 'postwire-dkim-')), 'signed.eml');
    writeFileSync(path, Buffer.concat([Buffer.from(fields.join('')), message]));
    const { out, err } = await run('/usr/bin/python3', ['-c', check, JSON.stringify(records), path]);
    expect(err).toBe('');
    expect(JSON.parse(out)).toEqual([true, true]);
  },
);

test.each([
  ['relaxed', 'relaxed'],
  ['simple', 'simple'],
])('what dkimpy signs, we verify: %s/%s', async (header, body) => {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-dkim-'));
  writeFileSync(join(folder, 'm.eml'), message);
  writeFileSync(join(folder, 'key'), rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }));
  const { out, err } = await run('/usr/bin/python3', [
    '-c',
    make,
    join(folder, 'm.eml'),
    join(folder, 'key'),
    header,
    body,
  ]);
  expect(err).toBe('');
  const resolver = async (name: string): Promise<string[][]> => [[records[name] ?? '']];
  expect(await dkimVerify(Buffer.concat([Buffer.from(out), message]), { resolver })).toMatchObject([
    { status: 'pass' },
  ]);
});
