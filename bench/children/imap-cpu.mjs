// Processor time of a client that reads canned FETCH answers: port, subject, query, count, file of the answers. Postwire and the limit get the
// bytes from memory, in chunks of 64 KB; imapflow, which cannot be given a stream, reads them from a socket whose server is another process.
import { readFileSync } from 'node:fs';
import { Duplex } from 'node:stream';

const [port, subject, query, count, path] = process.argv.slice(2);
const canned = readFileSync(path);
const chunks = [];
for (let at = 0; at < canned.length; at += 65_536) chunks.push(canned.subarray(at, at + 65_536));
const envelopes = query === 'envelopes';
const rounds = subject === 'imapflow' ? 1 : 20;
/** Reads all messages, and tells how many there were. @type {() => Promise<number>} */
let read = () => Promise.resolve(0);
if (subject === 'postwire') {
  const { ImapClient, sequences } = await import('../../dist/imap/index.js');
  const stream = new Duplex({
    highWaterMark: 1 << 30,
    read() {},
    write(chunk, _encoding, done) {
      for (const line of chunk.toString('latin1').split('\r\n').filter(Boolean)) {
        const [tag, verb] = line.split(' ');
        if (verb === 'FETCH') for (const each of chunks) stream.push(each);
        if (verb === 'SELECT') stream.push(`* ${count} EXISTS\r\n`);
        stream.push(`${tag} OK done\r\n`);
      }
      done();
    },
  });
  stream.push('* OK [CAPABILITY IMAP4rev1] replay\r\n');
  const client = await ImapClient.connect('imap://user:pass@127.0.0.1?tls=none&allowInsecureAuth=true', {
    connect: () => stream,
  });
  await client.select('INBOX');
  read = async () => {
    let messages = 0;
    for await (const message of client.fetch(sequences('1:*'), {
      flags: true,
      ...(envelopes ? { envelope: true } : { source: true }),
    }))
      if (message.uid > 0) messages++;
    return messages;
  };
} else if (subject === 'limit') {
  const { lean, nested } = await import('../limits/imap.mjs');
  read = async () => {
    let messages = 0;
    const session = { nextTag: () => 'T1', onChunk: undefined, socket: { write() {} } };
    const done = lean(session, 'FETCH', (lines, literals) => {
      if (lines[0].indexOf(' FETCH (') > 0 && nested(lines, literals).length > 0) messages++;
    });
    for (const each of chunks) session.onChunk(each);
    session.onChunk(Buffer.from('T1 OK done\r\n'));
    await done;
    return messages;
  };
} else {
  const { ImapFlow } = await import('imapflow');
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: Number(port),
    secure: false,
    doSTARTTLS: false,
    auth: { user: 'user', pass: 'pass' },
    logger: false,
    disableAutoIdle: true,
  });
  await client.connect();
  await client.mailboxOpen('INBOX');
  read = async () => {
    let messages = 0;
    for await (const message of client.fetch('1:*', {
      uid: true,
      flags: true,
      ...(envelopes ? { envelope: true } : { source: true }),
    }))
      if (message.uid > 0) messages++;
    return messages;
  };
}
await read();
const before = process.cpuUsage();
let amount = 0;
for (let round = 0; round < rounds; round++) amount += await read();
const { user, system } = process.cpuUsage(before);
if (amount !== rounds * Number(count)) throw new Error(`${subject} read ${amount} messages`);
console.log(JSON.stringify({ amount, seconds: (user + system) / 1e6 }));
process.exit(0);
