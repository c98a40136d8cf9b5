import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { testAuthority } from '../../src/testing/index.ts';
import { freePort, run, stop, untilListening } from './process.ts';

export interface RealFtpServer {
  readonly port: number;
  readonly ca: string;
  /** The folder on the disk that clients may write to. */
  readonly folder: string;
  close(): Promise<void>;
}

const proftpd = resolve(import.meta.dirname, '../../.cache/interop/proftpd');

const idOf = (flag: string): number => Number(spawnSync('id', [flag, 'nobody']).stdout);

async function place(): Promise<{ root: string; folder: string; ca: string; cert: string; key: string; both: string }> {
  const root = mkdtempSync(join(tmpdir(), 'postwire-ftp-'));
  chmodSync(root, 0o755);
  const folder = join(root, 'data', 'up');
  mkdirSync(folder, { recursive: true });
  // Each server writes as a user of its own.
  chmodSync(folder, 0o777);
  const authority = await testAuthority();
  const { cert, key } = await authority.issue();
  const file = (name: string, text: string): string => {
    writeFileSync(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  return {
    root,
    folder,
    ca: authority.ca,
    cert: file('cert.pem', cert),
    key: file('key.pem', key),
    both: file('both.pem', cert + key),
  };
}

async function begin(child: ChildProcess, port: number, root: string, log: string): Promise<() => Promise<void>> {
  try {
    await untilListening(port);
  } catch (error) {
    throw new Error(`the server did not start: ${readFileSync(log, 'utf8')}`, { cause: error });
  }
  return async () => {
    await stop(child);
    rmSync(root, { recursive: true, force: true });
  };
}

/** vsftpd with anonymous users who may write below /up; with TLS it demands that data connections resume the session. */
export async function startVsftpd(tls: boolean): Promise<RealFtpServer> {
  const { root, folder, ca, cert, key } = await place();
  const port = await freePort();
  mkdirSync(join(root, 'empty'));
  const yes = 'YES';
  const settings = {
    background: 'NO',
    listen: yes,
    listen_address: '127.0.0.1',
    listen_port: port,
    anonymous_enable: yes,
    no_anon_password: yes,
    local_enable: 'NO',
    // It wants a user whose home exists.
    ftp_username: 'ftp',
    anon_root: join(root, 'data'),
    write_enable: yes,
    anon_upload_enable: yes,
    anon_mkdir_write_enable: yes,
    anon_other_write_enable: yes,
    anon_umask: '022',
    pasv_address: '127.0.0.1',
    connect_from_port_20: 'NO',
    seccomp_sandbox: 'NO',
    xferlog_enable: 'NO',
    secure_chroot_dir: join(root, 'empty'),
    max_per_ip: 0,
    ...(tls
      ? {
          ssl_enable: yes,
          allow_anon_ssl: yes,
          force_anon_logins_ssl: yes,
          force_anon_data_ssl: yes,
          require_ssl_reuse: yes,
          ssl_ciphers: 'HIGH',
          rsa_cert_file: cert,
          rsa_private_key_file: key,
        }
      : {}),
  };
  const config = join(root, 'vsftpd.conf');
  writeFileSync(
    config,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const child = spawn('/usr/sbin/vsftpd', [config], { stdio: 'ignore' });
  return { port, ca, folder, close: await begin(child, port, root, config) };
}

/** ProFTPD with the user `ann`, password `pass word`. Its TLS demands resumed sessions too. */
export async function startProftpd(tls: boolean): Promise<RealFtpServer> {
  const { root, folder, ca, cert, key } = await place();
  const port = await freePort();
  const log = join(root, 'log');
  const users = join(root, 'users');
  const { out } = await run('openssl', ['passwd', '-6', 'pass word']);
  writeFileSync(users, `ann:${out.trim()}:${idOf('-u')}:${idOf('-g')}::${folder}:/bin/sh\n`, { mode: 0o600 });
  const config = join(root, 'proftpd.conf');
  writeFileSync(
    config,
    `ServerName test
ServerType standalone
ModulePath ${proftpd}/usr/lib/proftpd
${tls ? 'LoadModule mod_tls.c\n' : ''}DefaultAddress 127.0.0.1
SocketBindTight on
Port ${port}
User nobody
Group nogroup
UseIPv6 off
UseReverseDNS off
WtmpLog off
DefaultServer on
PidFile ${root}/pid
ScoreboardFile ${root}/scoreboard
DelayTable none
DelayEngine off
AuthOrder mod_auth_file.c
AuthUserFile ${users}
RequireValidShell off
AllowOverwrite on
AllowStoreRestart on
SystemLog ${log}
TransferLog none
MaxInstances 60
${
  tls
    ? `TLSEngine on
TLSLog ${log}
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSRSACertificateFile ${cert}
TLSRSACertificateKeyFile ${key}
TLSECCertificateFile ${cert}
TLSECCertificateKeyFile ${key}
`.replace(/^TLSRSA.*\n/gm, '')
    : ''
}`,
  );
  writeFileSync(log, '');
  const child = spawn(join(proftpd, 'usr/sbin/proftpd'), ['-n', '-c', config], { stdio: 'ignore' });
  return { port, ca, folder, close: await begin(child, port, root, log) };
}
