// Dovecot on loopback, without TLS and with one user, over a mailbox of its own: a Maildir for POP3, mdbox, which appends cost less in, for IMAP. Needs the Debian packages that npm run interop installs, and root.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function startDovecot(messages, { protocol = 'pop3' } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-bench-'));
  chmodSync(folder, 0o755);
  const mail = join(folder, 'mail');
  for (const name of ['', 'new', 'cur', 'tmp']) mkdirSync(join(mail, name));
  const uid = Number(spawnSync('id', ['-u', 'nobody']).stdout);
  const gid = Number(spawnSync('id', ['-g', 'nobody']).stdout);
  let index = 0;
  for (const message of messages)
    writeFileSync(join(mail, 'cur', `${1_700_000_000 + index++}.M1.host,W=${message.length}:2,`), message);
  spawnSync('chown', ['-R', `${uid}:${gid}`, mail]);
  chownSync(mail, uid, gid);
  writeFileSync(join(folder, 'users'), 'user:{PLAIN}pass::::::\n');
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const configuration = `base_dir = ${folder}/run
log_path = ${folder}/log
protocols = ${protocol}
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_fsync = never
mail_location = ${protocol === 'imap' ? 'mdbox' : 'maildir'}:${mail}
first_valid_uid = 1
first_valid_gid = 1
passdb {
  driver = passwd-file
  args = scheme=PLAIN ${folder}/users
}
userdb {
  driver = static
  args = uid=${uid} gid=${gid} home=${mail}
}
service ${protocol}-login {
  chroot =
  inet_listener ${protocol} {
    port = ${port}
  }
  inet_listener ${protocol}s {
    port = 0
  }
}
service anvil {
  chroot =
}
`;
  writeFileSync(join(folder, 'dovecot.conf'), configuration);
  const server = spawn('/usr/sbin/dovecot', ['-F', '-c', join(folder, 'dovecot.conf')], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 100; attempt++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    port,
    stop() {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
