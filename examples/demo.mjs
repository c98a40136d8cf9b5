// The tutorial's message, sent for real: an embedded mail host, STARTTLS, a login, three attachments; then read back over POP3 and IMAP.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sendMail } from 'postwire';
import { parseSync } from 'postwire/mime';
import { ImapClient } from 'postwire/imap';
import { Pop3Client } from 'postwire/pop3';
import { fakeMailHost } from 'postwire/testing';

const file = (name) => fileURLToPath(new URL(`files/${name}`, import.meta.url));
const attachments = [{ file: file('hello.txt') }, { file: file('month-data.xlsx') }, { file: file('picture.png') }];

const host = await fakeMailHost({ tls: 'starttls', users: { 'you@example.com': 'a secret' } });
const server = host.smtp;
console.log(`An SMTP server listens on ${server.host}:${server.port}. It asks for TLS and a login.\n`);

const result = await sendMail(
  server.url,
  {
    from: '王大锤 <me@example.com>',
    to: 'you@example.com',
    subject: '本月数据',
    text: '附件中有本月数据请查收',
    attachments,
  },
  { tls: { ca: server.ca } },
);

console.log('The conversation, secrets masked and bodies counted:');
for (const line of server.transcript) console.log(`  ${line}`);

const pop3 = await Pop3Client.connect(host.pop3.url, { tls: { ca: host.pop3.ca } });
console.log(`\nRead back over POP3 from ${host.pop3.host}:${host.pop3.port}, over TLS, logged in:`);
for await (const { number, uid, bytes } of pop3.messages()) {
  const mail = parseSync(bytes);
  const [author] = mail.from;
  console.log(`  message  ${number}, uid ${uid}, ${bytes.length} bytes`);
  console.log(`  from     ${author.name} <${author.address}>`);
  console.log(`  subject  ${mail.subject}`);
  console.log(`  text     ${mail.text}`);
  for (const [index, { file: path }] of attachments.entries()) {
    const sent = await readFile(path);
    const arrived = mail.attachments[index];
    if (!sent.equals(arrived.bytes())) throw new Error(`${arrived.filename} differs`);
    console.log(`  attached ${arrived.filename}, ${sent.length} bytes: the same, byte for byte`);
  }
}
await pop3.quit();

const imap = await ImapClient.connect(host.imap.url, { tls: { ca: host.imap.ca } });
const { state } = await imap.select('INBOX');
console.log(
  `\nRead back over IMAP from ${host.imap.host}:${host.imap.port}, over TLS, logged in: ${state.exists} message`,
);
const { uids } = await imap.search({ subject: '本月', seen: false });
for await (const { uid, envelope, bodyStructure } of imap.fetch(uids, { envelope: true, bodyStructure: true })) {
  const parts = bodyStructure.parts.map(({ type, sizeBytes }) => `${type} (${sizeBytes} bytes)`);
  console.log(`  found    uid ${uid} by a search for unseen mail with 本月 in its subject: ${envelope.subject}`);
  console.log(`  parts    ${parts.join(', ')}`);
  await imap.store(uid, { add: ['\\Seen', '\\Flagged'] });
}
const [{ flags }] = await imap.fetchAll(uids, { flags: true });
console.log(`  flags    ${flags.join(' ')}`);
console.log(`  moved    to Archive, by ${(await imap.move(uids, 'Archive')).way}`);
await imap.logout();

console.log(`\nDelivered: ${result.accepted.join(', ')} (${result.reply.code} ${result.reply.text})`);
console.log('To send it through your own server:\n');
console.log(
  '  SMTP_URL=smtp://user:password@mail.example.com:587 npx postwire send --from "王大锤 <you@example.com>" \\',
);
console.log(
  '    -s 本月数据 --text 附件中有本月数据请查收 -a examples/files/hello.txt -a examples/files/month-data.xlsx you@example.com',
);

await host.close();
