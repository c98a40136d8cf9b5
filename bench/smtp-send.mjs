import nodemailer from 'nodemailer';
import { SmtpClient, SmtpPool } from '../dist/smtp/index.js';
import { message10mb, message2kb } from './data.mjs';
import { child, compare, here, startServer } from './harness.mjs';
import { sendData } from './limits/smtp.mjs';

const envelope = { from: 'alice@example.org', to: ['bob@example.com'] };

/** So many messages over one connection, so many at a time. */
async function withPostwire(port, message, count, atOnce, transfer) {
  const client = await SmtpClient.connect({ host: '127.0.0.1', port, tls: 'none' });
  const started = performance.now();
  let left = count;
  const work = async () => {
    while (left-- > 0) await client.send(envelope, message, { transfer });
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const seconds = (performance.now() - started) / 1000;
  await client.quit();
  return seconds;
}

async function withNodemailer(port, message, count, atOnce, connections) {
  const transport = nodemailer.createTransport({
    host: '127.0.0.1',
    port,
    ignoreTLS: true,
    pool: true,
    maxConnections: connections,
    maxMessages: Infinity,
    name: 'me',
  });
  await transport.sendMail({ envelope, raw: message2kb });
  const started = performance.now();
  let left = count;
  const work = async () => {
    while (left-- > 0) await transport.sendMail({ envelope, raw: message });
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const seconds = (performance.now() - started) / 1000;
  transport.close();
  return seconds;
}

export async function* run(wanted) {
  const server = await startServer('smtp-sink.mjs');
  const { port } = server;
  try {
    const timed = (amount, action) => async () => ({ amount, seconds: await action() });
    if (wanted('2kb-1')) {
      yield await compare('smtp-send', '2kb-1', 'messages/s', {
        postwire: timed(4000, () => withPostwire(port, message2kb, 4000, 20, 'data')),
        nodemailer: timed(400, () => withNodemailer(port, message2kb, 400, 20, 1)),
        'python smtplib': child('python3', [
          `${here}children/python-smtp.py`,
          String(port),
          `${here}.data/message-2kb.eml`,
          '1000',
        ]),
        limit: timed(4000, () => sendData(port, message2kb, 4000)),
      });
    }
    if (wanted('2kb-5')) {
      // Five connections; the limit has five of its own.
      const pooled = async () => {
        const pool = new SmtpPool({ host: '127.0.0.1', port, tls: 'none' }, { maxConnections: 5, maxMessages: 1e9 });
        await pool.send(envelope, message2kb, { transfer: 'data' });
        const started = performance.now();
        let left = 4000;
        const work = async () => {
          while (left-- > 0) await pool.send(envelope, message2kb, { transfer: 'data' });
        };
        await Promise.all(Array.from({ length: 20 }, work));
        const seconds = (performance.now() - started) / 1000;
        await pool.close();
        return seconds;
      };
      yield await compare('smtp-send', '2kb-5', 'messages/s', {
        postwire: timed(4000, pooled),
        nodemailer: timed(1000, () => withNodemailer(port, message2kb, 1000, 20, 5)),
        limit: timed(4000, async () =>
          Math.max(...(await Promise.all(Array.from({ length: 5 }, () => sendData(port, message2kb, 800))))),
        ),
      });
    }
    if (wanted('2kb-bdat')) {
      yield await compare('smtp-send', '2kb-bdat', 'messages/s', {
        postwire: timed(4000, () => withPostwire(port, message2kb, 4000, 64, 'bdat')),
        nodemailer: timed(400, () => withNodemailer(port, message2kb, 400, 20, 1)),
        limit: timed(4000, () => sendData(port, message2kb, 4000)),
      });
    }
    if (wanted('10mb')) {
      const megabytes = message10mb.length / 1e6;
      yield await compare('smtp-send', '10mb', 'MB/s', {
        postwire: timed(6 * megabytes, () => withPostwire(port, message10mb, 6, 2, 'data')),
        nodemailer: timed(2 * megabytes, () => withNodemailer(port, message10mb, 2, 1, 1)),
        'python smtplib': child('python3', [
          `${here}children/python-smtp.py`,
          String(port),
          `${here}.data/message-10mb.eml`,
          '4',
        ]),
        limit: timed(6 * megabytes, () => sendData(port, message10mb, 6)),
      });
    }
  } finally {
    server.stop();
  }
}
