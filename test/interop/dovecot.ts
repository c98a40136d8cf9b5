import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestAuthority } from '../../src/testing/index.ts';
import { freePort, run, stop, untilListening } from './process.ts';

/** Dovecot with STARTTLS and one user, whose Maildir holds the messages. */
export async function startDovecot(messages: readonly string[]): Promise<{
  readonly pop3Port: number;
  readonly imapPort: number;
  readonly lmtpPort: number;
  readonly ca: string;
  close(): Promise<void>;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-dovecot-'));
  chmodSync(folder, 0o755);
  const mail = join(folder, 'mail');
  for (const name of ['', 'new', 'cur', 'tmp']) mkdirSync(join(mail, name));
  messages.forEach((message, index) =>
    writeFileSync(join(mail, 'cur', `${1_700_000_000 + index}.M${index}.host:2,`), message.replace(/\r\n/g, '\n')),
  );
  const uid = Number((await run('id', ['-u', 'nobody'])).out.trim());
  const gid = Number((await run('id', ['-g', 'nobody'])).out.trim());
  for (const path of (await run('find', [mail])).out.trim().split('\n')) chownSync(path, uid, gid);
  const authority = await TestAuthority.create();
  const certificate = await authority.issue();
  writeFileSync(join(folder, 'cert.pem'), certificate.cert);
  writeFileSync(join(folder, 'key.pem'), certificate.key, { mode: 0o600 });
  writeFileSync(join(folder, 'users'), 'user:{PLAIN}pass word::::::\n');
  const [pop3Port, imapPort, lmtpPort] = [await freePort(), await freePort(), await freePort()];
  writeFileSync(
    join(folder, 'dovecot.conf'),
    `base_dir = ${folder}/run
log_path = ${folder}/log
protocols = pop3 imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <${folder}/cert.pem
ssl_key = <${folder}/key.pem
disable_plaintext_auth = yes
auth_username_format = %Ln
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
mail_location = maildir:${mail}
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
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = ${pop3Port}
  }
  inet_listener pop3s {
    port = 0
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = ${imapPort}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${lmtpPort}
  }
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    special_use = \\Sent
  }
  mailbox Trash {
    special_use = \\Trash
  }
}
service anvil {
  chroot =
}
`,
  );
  const child = spawn('/usr/sbin/dovecot', ['-F', '-c', join(folder, 'dovecot.conf')], { stdio: 'ignore' });
  try {
    await untilListening(pop3Port);
    await untilListening(imapPort);
    await untilListening(lmtpPort);
  } catch (error) {
    throw new Error(`Dovecot did not start: ${readFileSync(join(folder, 'log'), 'utf8')}`, { cause: error });
  }
  return {
    pop3Port,
    imapPort,
    lmtpPort,
    ca: authority.ca,
    async close() {
      await stop(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
