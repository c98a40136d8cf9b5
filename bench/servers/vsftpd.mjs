// vsftpd on loopback, anonymous, writable below /up. Needs the Debian package that npm run interop installs, and root.
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function startVsftpd({ listed = 0, bigBytes = 0 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-bench-'));
  const data = join(folder, 'data');
  for (const name of ['', 'up', 'list']) mkdirSync(join(data, name));
  mkdirSync(join(folder, 'empty'));
  chmodSync(folder, 0o755);
  chmodSync(join(data, 'up'), 0o777);
  for (let index = 1; index <= listed; index++)
    writeFileSync(join(data, 'list', `file-${String(index).padStart(5, '0')}.txt`), '');
  const big = join(data, 'big.bin');
  closeSync(openSync(big, 'w'));
  truncateSync(big, bigBytes);
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const settings = {
    background: 'NO',
    listen: 'YES',
    listen_address: '127.0.0.1',
    listen_port: port,
    anonymous_enable: 'YES',
    no_anon_password: 'YES',
    local_enable: 'NO',
    ftp_username: 'ftp',
    anon_root: data,
    write_enable: 'YES',
    anon_upload_enable: 'YES',
    anon_mkdir_write_enable: 'YES',
    anon_other_write_enable: 'YES',
    anon_umask: '022',
    pasv_address: '127.0.0.1',
    connect_from_port_20: 'NO',
    seccomp_sandbox: 'NO',
    xferlog_enable: 'NO',
    secure_chroot_dir: join(folder, 'empty'),
    max_per_ip: 0,
    use_sendfile: 'YES',
  };
  const config = join(folder, 'vsftpd.conf');
  writeFileSync(
    config,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const server = spawn('/usr/sbin/vsftpd', [config], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 100; attempt++) {
    const up = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (up) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    port,
    /** The large file on the disk: what uploads from a path read. */
    big,
    stop() {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
