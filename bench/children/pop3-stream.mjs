// One large message streamed from a POP3 server, in a process that does nothing else.
import { Pop3Client } from '../../dist/pop3/index.js';
import { peakRssMb } from '../peak-rss.mjs';

const client = await Pop3Client.connect(`pop3://user:pass@127.0.0.1:${process.argv[2]}?tls=none`, {
  allowInsecureAuth: true,
  mechanisms: ['PLAIN'],
});
const started = performance.now();
let bytes = 0;
await (
  await client.retr(1)
).forEach((chunk) => {
  bytes += chunk.length;
});
const seconds = (performance.now() - started) / 1000;
await client.quit();
console.log(JSON.stringify({ amount: bytes / 1e6, seconds, rssMb: peakRssMb() }));
