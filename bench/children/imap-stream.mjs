// One large message from an IMAP server, in a process that does nothing else: by postwire, imapflow or a bare socket.
import { peakRssMb } from '../peak-rss.mjs';

const [port, subject] = process.argv.slice(2);
let bytes = 0;
let started;
if (subject === 'postwire') {
  const { ImapClient, uid } = await import('../../dist/imap/index.js');
  const client = await ImapClient.connect(`imap://user:pass@127.0.0.1:${port}?tls=none&allowInsecureAuth=true`);
  await client.select('big');
  started = performance.now();
  await (
    await client.download(uid(1))
  ).forEach((chunk) => {
    bytes += chunk.length;
  });
} else if (subject === 'limit') {
  const { open } = await import('../limits/imap.mjs');
  const session = await open(port);
  await session.ask('SELECT big');
  session.bytes = 0;
  started = performance.now();
  await session.ask('FETCH 1 (BODY.PEEK[])');
  bytes = session.bytes;
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
    maxLiteralSize: 2e9,
  });
  await client.connect();
  await client.mailboxOpen('big');
  started = performance.now();
  if (subject === 'fetchOne') bytes = (await client.fetchOne('1', { source: true })).source.length;
  else for await (const chunk of (await client.download('1')).content) bytes += chunk.length;
}
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ amount: bytes / 1e6, seconds, rssMb: peakRssMb() }));
process.exit(0);
