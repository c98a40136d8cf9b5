import NodePop3 from 'node-pop3';
import { Pop3Client } from '../dist/pop3/index.js';
import { message2kb } from './data.mjs';
import { child, compare, here } from './harness.mjs';
import { retrieve } from './limits/pop3.mjs';
import { startDovecot } from './servers/dovecot.mjs';

const COUNT = 2000;
const connect = (port) =>
  Pop3Client.connect(`pop3://user:pass@127.0.0.1:${port}?tls=none`, { allowInsecureAuth: true, mechanisms: ['PLAIN'] });

async function readAll(port) {
  const client = await connect(port);
  const started = performance.now();
  let count = 0;
  for await (const { bytes } of client.messages()) count += bytes.length > 0 ? 1 : 0;
  const seconds = (performance.now() - started) / 1000;
  await client.quit();
  return { amount: count, seconds };
}

async function readOneByOne(port) {
  const client = await connect(port);
  const started = performance.now();
  for (let number = 1; number <= COUNT; number++) await (await client.retr(number)).bytes();
  const seconds = (performance.now() - started) / 1000;
  await client.quit();
  return { amount: COUNT, seconds };
}

/** node-pop3 knows no TLS here and asks one at a time: it has no other way. */
async function nodePop3(port) {
  const client = new NodePop3({ host: '127.0.0.1', port, user: 'user', password: 'pass', timeout: 60_000 });
  // Connects and logs in.
  await client.STAT();
  const started = performance.now();
  for (let number = 1; number <= COUNT; number++) await client.RETR(number);
  const seconds = (performance.now() - started) / 1000;
  await client.QUIT();
  return { amount: COUNT, seconds };
}

export async function* run(wanted) {
  if (wanted('retr') || wanted('retr-one')) {
    const server = await startDovecot(Array.from({ length: COUNT }, () => message2kb));
    try {
      const python = child('python3', [`${here}children/python-pop3.py`, String(server.port), String(COUNT)]);
      const limit = (atOnce) => async () => ({ amount: COUNT, seconds: await retrieve(server.port, COUNT, atOnce) });
      if (wanted('retr'))
        yield await compare('pop3', 'retr', 'messages/s', {
          postwire: () => readAll(server.port),
          'node-pop3': () => nodePop3(server.port),
          'python poplib': python,
          limit: limit(200),
        });
      if (wanted('retr-one'))
        yield await compare('pop3', 'retr-one', 'messages/s', {
          postwire: () => readOneByOne(server.port),
          'node-pop3': () => nodePop3(server.port),
          'python poplib': python,
          limit: limit(1),
        });
    } finally {
      server.stop();
    }
  }
  if (wanted('100mb')) {
    const line = Buffer.from(`${'x'.repeat(76)}\n`);
    const server = await startDovecot([
      Buffer.concat([Buffer.from('Subject: large\n\n'), ...Array.from({ length: 1_300_000 }, () => line)]),
    ]);
    try {
      yield await compare(
        'pop3',
        '100mb',
        'MB/s',
        { postwire: child(process.execPath, [`${here}children/pop3-stream.mjs`, String(server.port)]) },
        { warmUp: 0, rounds: 3 },
      );
    } finally {
      server.stop();
    }
  }
}
