import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeSmtp } from '../../src/testing/index.ts';
import { run } from './process.ts';

/** GNU SASL logs in to the server; what it printed. */
async function gsasl(port: number, ca: string, mechanism: string, password: string): Promise<string> {
  const login = ['-m', mechanism, '-a', 'user', '-p', password, '--service=smtp', '--hostname=localhost'];
  const tls = ['--starttls', `--x509-ca-file=${ca}`, '--quality-of-protection=qop-auth', '--realm=localhost'];
  const args = ['--smtp', '--connect', `localhost:${port}`, ...tls, ...login];
  const { out, err } = await run('gsasl', args, { input: 'QUIT\r\n', timeout: 20_000 });
  return out + err;
}

test.each(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1-PLUS', 'DIGEST-MD5', 'CRAM-MD5', 'LOGIN', 'PLAIN'])(
  'GNU SASL and the server side of %s believe each other, and not a wrong password',
  async (mechanism) => {
    await using server = await fakeSmtp({ tls: 'starttls', users: { user: 'pencil' } });
    const folder = mkdtempSync(join(tmpdir(), 'postwire-gsasl-'));
    try {
      const ca = join(folder, 'ca.pem');
      writeFileSync(ca, server.ca as string);
      expect(await gsasl(server.port, ca, mechanism, 'pencil')).toMatch(
        /235 2\.7\.0[^]*Client authentication finished/,
      );
      expect(await gsasl(server.port, ca, mechanism, 'wrong')).not.toMatch(/^235/m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
