import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeFtp, fakeFtp } from '../../src/testing/index.ts';
import { sampleBytes } from '../suites/ftp.ts';
import { run } from './process.ts';

describe.each(['none', 'starttls'] as const)('independent clients use fakeFtp, tls %s', (tls) => {
  let server: FakeFtp;
  const folder = mkdtempSync(join(tmpdir(), 'postwire-clients-'));
  const ca = join(folder, 'ca.pem');
  const local = join(folder, 'local.bin');
  const bytes = sampleBytes(300_000);
  beforeAll(async () => {
    server = await fakeFtp({ tls, users: { ann: 'pass' } });
    writeFileSync(ca, server.ca ?? '');
    writeFileSync(local, bytes);
    server.files.write('/d/sub/inner', 'inner');
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const stored = (path: string): boolean => Buffer.from(server.files.read(path) ?? []).equals(bytes);

  test.each([true, false])('Python ftplib, passive %s', async (passive) => {
    const script = `
import ftplib, ssl, sys, io
port, ca, local, passive = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == 'true'
if '${tls}' == 'none':
    c = ftplib.FTP()
else:
    c = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=ca))
c.connect('localhost', port)
c.login('ann', 'pass')
if '${tls}' != 'none': c.prot_p()
c.set_pasv(passive)
data = open(local, 'rb').read()
with open(local, 'rb') as f: c.storbinary('STOR py.bin', f)
assert c.size('py.bin') == len(data)
out = io.BytesIO(); c.retrbinary('RETR py.bin', out.write); assert out.getvalue() == data
out = io.BytesIO(); c.retrbinary('RETR py.bin', out.write, rest=200000); assert out.getvalue() == data[200000:]
assert sorted(n for n, f in c.mlsd('d')) == ['.', 'sub'], list(c.mlsd('d'))
lines = []; c.retrlines('LIST d', lines.append); assert len(lines) == 1 and lines[0].endswith(' sub'), lines
assert c.nlst('d') == ['sub']
assert c.mkd('made') == '/made'; c.cwd('made'); assert c.pwd() == '/made'; c.cwd('..'); c.rmd('made')
c.rename('py.bin', 'py2.bin')
c.delete('py2.bin')
c.quit()
`;
    const result = await run('python3', ['-c', script, String(server.port), ca, local, String(passive)]);
    expect(result.err).toBe('');
    expect(result.code).toBe(0);
  });

  // QUIRK(curl 7.88): over TLS its active mode fails by itself, in inet_ntop, before PORT.
  const active = tls === 'none' ? [['--ftp-port', '127.0.0.1']] : [];
  test.each([[], ...active, ['--disable-epsv']])('curl %s', async (...how) => {
    const secure = tls === 'none' ? [] : ['--ssl-reqd', '--cacert', ca];
    const curl = (...args: string[]): ReturnType<typeof run> =>
      run('curl', ['-sS', ...secure, ...how.flat(), '-u', 'ann:pass', ...args]);
    const url = `ftp://localhost:${server.port}`;
    expect(await curl('-T', local, `${url}/c.bin`)).toMatchObject({ code: 0, err: '' });
    expect(stored('/c.bin')).toBe(true);
    const target = join(folder, 'c.bin');
    writeFileSync(target, bytes.subarray(0, 100_000));
    expect(await curl('-C', '-', '-o', target, `${url}/c.bin`)).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(target).equals(bytes)).toBe(true);
    expect((await curl(`${url}/d/`)).out).toMatch(/sub\r?\n$/);
    expect(await curl('-Q', 'DELE c.bin', `${url}/d/`)).toMatchObject({ code: 0 });
    expect(server.files.read('/c.bin')).toBeUndefined();
  });

  test('lftp', async () => {
    const target = join(folder, 'mirror');
    const commands = `
set net:max-retries 1; set net:timeout 10; set ssl:ca-file ${ca}; set ftp:ssl-force ${tls !== 'none'}; set ftp:ssl-protect-data ${tls !== 'none'}
open -u ann,pass -p ${server.port} ftp://localhost
put ${local} -o l.bin
cat l.bin > ${join(folder, 'l.bin')}
mirror d ${target}
mirror -R ${target} back
mkdir made; mv l.bin made/l2.bin; rm made/l2.bin; rmdir made; ls back
bye
`;
    const result = await run('lftp', ['-c', commands], { env: { ...process.env, HOME: folder } });
    expect(result.err).toBe('');
    expect(result.code).toBe(0);
    expect(readFileSync(join(folder, 'l.bin')).equals(bytes)).toBe(true);
    expect(readFileSync(join(target, 'sub/inner'), 'utf8')).toBe('inner');
    expect(server.files.text('/back/sub/inner')).toBe('inner');
  });
});
