import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { TestAuthority } from '../../src/testing/index.ts';
import type { SmtpServerUnderTest } from '../suites/smtp.ts';
import { freePort, run, stop, untilListening } from './process.ts';

const idOf = async (flag: string, name: string): Promise<number> => Number((await run('id', [flag, name])).out.trim());

/** Postfix with STARTTLS and login (through Dovecot's SASL), which delivers every address of example.com to one Maildir. */
export async function startPostfix(): Promise<
  SmtpServerUnderTest & { readonly port: number; readonly ca: string; readonly log: () => string }
> {
  if (userInfo().uid !== 0) throw new Error('Postfix needs root to start: run npm run interop as root');
  const folder = mkdtempSync(join(tmpdir(), 'postwire-postfix-'));
  chmodSync(folder, 0o755);
  const dirs = ['etc', 'spool', 'data', 'mail', 'dovecot'].map((name) => join(folder, name));
  for (const dir of dirs) mkdirSync(dir);
  const [etc, spool, data, mail, dovecot] = dirs as [string, string, string, string, string];
  const [postfixUser, postfixGroup] = [await idOf('-u', 'postfix'), await idOf('-g', 'postfix')];
  chownSync(data, postfixUser, postfixGroup);
  chownSync(mail, postfixUser, postfixGroup);
  const port = await freePort();
  const authority = await TestAuthority.create();
  const certificate = await authority.issue();
  writeFileSync(join(etc, 'cert.pem'), certificate.cert);
  writeFileSync(join(etc, 'key.pem'), certificate.key, { mode: 0o600 });

  writeFileSync(join(dovecot, 'users'), 'user:{PLAIN}pass word::::::\n');
  writeFileSync(
    join(dovecot, 'dovecot.conf'),
    `base_dir = ${dovecot}/run
log_path = ${dovecot}/log
protocols =
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
passdb {
  driver = passwd-file
  args = scheme=PLAIN ${dovecot}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/tmp
}
service auth {
  unix_listener auth-postfix {
    mode = 0666
  }
}
service anvil {
  chroot =
}
`,
  );
  const dovecotProcess: ChildProcess = spawn('/usr/sbin/dovecot', ['-F', '-c', join(dovecot, 'dovecot.conf')], {
    stdio: 'ignore',
  });

  writeFileSync(
    join(etc, 'main.cf'),
    `compatibility_level = 3.6
queue_directory = ${spool}
data_directory = ${data}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
alias_maps =
maillog_file = ${folder}/maillog
maillog_file_prefixes = ${folder}
virtual_mailbox_domains = example.com
virtual_mailbox_base = ${mail}
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:${postfixUser}
virtual_gid_maps = static:${postfixGroup}
virtual_minimum_uid = 1
virtual_transport = virtual
smtpd_tls_cert_file = ${etc}/cert.pem
smtpd_tls_key_file = ${etc}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${dovecot}/run/auth-postfix
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_authorized_xforward_hosts = 127.0.0.1
smtpd_client_connection_rate_limit = 0
message_size_limit = 104857600
virtual_mailbox_limit = 0
smtputf8_enable = yes
`,
  );
  writeFileSync(
    join(etc, 'master.cf'),
    `127.0.0.1:${port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
smtp unix - - n - - smtp
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
scache unix - - n - 1 scache
`,
  );
  const log = (): string => {
    try {
      return readFileSync(join(folder, 'maillog'), 'utf8');
    } catch {
      return '(no log)';
    }
  };
  const started = await run('/usr/sbin/postfix', ['-c', etc, 'start']);
  try {
    if (started.code !== 0) throw new Error(`postfix start: ${started.err}`);
    await untilListening(port);
  } catch (error) {
    throw new Error(`Postfix did not start: ${String(error)}\n${started.err}\n${log()}`, { cause: error });
  }
  return {
    port,
    ca: authority.ca,
    log,
    target: `smtp://user:pass%20word@127.0.0.1:${port}`,
    options: { tls: { ca: authority.ca } },
    recipient: 'box@example.com',
    async received(marker) {
      const deadline = Date.now() + 20_000;
      for (;;) {
        for (const sub of ['new', 'cur']) {
          let names: string[] = [];
          try {
            names = readdirSync(join(mail, 'box', sub));
          } catch {
            // Nothing was delivered yet.
          }
          for (const name of names) {
            const bytes = readFileSync(join(mail, 'box', sub, name));
            if (bytes.includes(marker)) return bytes;
          }
        }
        if (Date.now() > deadline) throw new Error(`no message with ${marker} was delivered\n${log()}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async close() {
      await run('/usr/sbin/postfix', ['-c', etc, 'stop']);
      await stop(dovecotProcess);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
