import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { TestAuthority } from '../../src/testing/index.ts';
import { freePort, run, stop, untilListening } from './process.ts';

/** Where run.sh unpacks it: it cannot be installed beside Dovecot. */
const unpacked = resolve(import.meta.dirname, '../../.cache/interop/cyrus');
const binaries = join(unpacked, 'usr/lib/cyrus/bin');

/** Cyrus IMAP with STARTTLS and one user, as `nobody`. Needs root to become that. */
export async function startCyrus(): Promise<{
  readonly port: number;
  readonly ca: string;
  close(): Promise<void>;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-cyrus-'));
  chmodSync(folder, 0o755);
  for (const name of [
    'conf',
    'spool',
    ...['db', 'socket', 'proc', 'log', 'msg', 'ptclient', 'quota', 'user'].map((each) => `conf/${each}`),
  ])
    mkdirSync(join(folder, name));
  const authority = await TestAuthority.create();
  const certificate = await authority.issue();
  writeFileSync(join(folder, 'cert.pem'), certificate.cert);
  writeFileSync(join(folder, 'key.pem'), certificate.key);
  const port = await freePort();
  const configuration = join(folder, 'imapd.conf');
  writeFileSync(
    configuration,
    `configdirectory: ${folder}/conf
defaultpartition: default
partition-default: ${folder}/spool
cyrus_user: nobody
cyrus_group: nogroup
altnamespace: yes
unixhierarchysep: yes
allowplaintext: no
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: ${folder}/sasldb2
sasl_mech_list: PLAIN
autocreate_quota: 0
autocreate_users: anyone
mboxlist_db: twoskip
servername: localhost
tls_server_cert: ${folder}/cert.pem
tls_server_key: ${folder}/key.pem
`,
  );
  writeFileSync(
    join(folder, 'cyrus.conf'),
    `START {
  recover cmd="${binaries}/ctl_cyrusdb -C ${configuration} -r"
}
SERVICES {
  imap cmd="${binaries}/imapd -C ${configuration}" listen="127.0.0.1:${port}" prefork=0 maxchild=20
}
EVENTS {
}
DAEMON {
  idled cmd="${binaries}/idled -C ${configuration} -d"
}
`,
  );
  const password = await run(
    '/usr/sbin/saslpasswd2',
    ['-p', '-f', join(folder, 'sasldb2'), '-c', '-u', 'localhost', 'user'],
    { input: 'pass word' },
  );
  if (password.code !== 0) throw new Error(`saslpasswd2: ${password.err}`);
  await run('chown', ['-R', 'nobody:nogroup', folder]);
  const log = join(folder, 'master.log');
  const child = spawn(
    join(binaries, 'master'),
    ['-C', configuration, '-M', join(folder, 'cyrus.conf'), '-p', join(folder, 'master.pid'), '-L', log, '-D'],
    { stdio: 'ignore', env: { ...process.env, LD_LIBRARY_PATH: join(unpacked, 'usr/lib/x86_64-linux-gnu') } },
  );
  try {
    await untilListening(port);
  } catch (error) {
    throw new Error(`Cyrus did not start: ${readFileSync(log, 'utf8')}`, { cause: error });
  }
  return {
    port,
    ca: authority.ca,
    async close() {
      await stop(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
