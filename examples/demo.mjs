// The tutorial's message, sent for real: an embedded SMTP server, STARTTLS, a login, three attachments, and what arrived.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sendMail } from 'postwire';
import { fakeSmtp } from 'postwire/testing';

const file = (name) => fileURLToPath(new URL(`files/${name}`, import.meta.url));
const attachments = [{ file: file('hello.txt') }, { file: file('month-data.xlsx') }, { file: file('picture.png') }];

const server = await fakeSmtp({ tls: 'starttls', users: { me: 'a secret' } });
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

const mail = await server.waitForMail({ subject: '本月数据' });
console.log('\nWhat arrived:');
console.log(`  from     ${mail.header('from')}`);
console.log(`  to       ${mail.envelope.to.join(', ')}`);
console.log(`  subject  ${mail.header('subject')}`);
console.log(
  `  size     ${mail.raw.length} bytes, over ${mail.secure ? 'TLS' : 'plaintext'}, logged in as ${mail.user}`,
);
for (const { file: path } of attachments) {
  const name = path.split(/[/\\]/).at(-1);
  const [, body] = mail.text.split(new RegExp(`filename="?${name}"?\\r\\n\\r\\n`));
  const arrived = Buffer.from(body.slice(0, body.indexOf('\r\n--')), 'base64');
  const sent = await readFile(path);
  if (!arrived.equals(sent)) throw new Error(`${name} differs`);
  console.log(`  attached ${name}, ${sent.length} bytes: the same, byte for byte`);
}

console.log(`\nDelivered: ${result.accepted.join(', ')} (${result.reply.code} ${result.reply.text})`);
console.log('To send it through your own server:\n');
console.log(
  '  SMTP_URL=smtp://user:password@mail.example.com:587 npx postwire send --from "王大锤 <you@example.com>" \\',
);
console.log(
  '    -s 本月数据 --text 附件中有本月数据请查收 -a examples/files/hello.txt -a examples/files/month-data.xlsx you@example.com',
);

await server.close();
