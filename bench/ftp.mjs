import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { Client } from 'basic-ftp';
import { FtpClient } from '../dist/ftp/index.js';
import { child, compare, here } from './harness.mjs';
import * as limit from './limits/ftp.mjs';
import { startVsftpd } from './servers/vsftpd.mjs';

const BIG_BYTES = Number(process.env.FTP_BYTES ?? 2 ** 30);
const COUNT = 1000;
const LISTED = 10_000;
const SESSIONS = 4;
const small = Buffer.alloc(1024, 97);

const timed = async (open, work, close) => {
  const client = await open();
  const started = performance.now();
  const amount = await work(client);
  const seconds = (performance.now() - started) / 1000;
  await close(client);
  return { amount, seconds };
};
const curl = (args, amount) => async () => {
  const started = performance.now();
  await new Promise((resolve, reject) =>
    spawn('curl', ['-s', ...args], { stdio: 'ignore' }).on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`curl ended with ${code}`)),
    ),
  );
  return { amount, seconds: (performance.now() - started) / 1000 };
};
/** Our client, several sessions: each takes the next file. */
const sessions = (port, count, work) =>
  timed(
    () => Promise.all(Array.from({ length: count }, () => FtpClient.connect(`ftp://127.0.0.1:${port}?tls=none`))),
    async (clients) => {
      let next = 0;
      await Promise.all(
        clients.map(async (client) => {
          while (next < COUNT) await work(client, next++);
        }),
      );
      return COUNT;
    },
    (clients) => Promise.all(clients.map((client) => client.quit())),
  );
const basic = (port, work) => () =>
  timed(
    async () => {
      const client = new Client(30_000);
      await client.access({ host: '127.0.0.1', port, secure: false });
      return client;
    },
    work,
    async (client) => client.close(),
  );
const raw = (port, work) => () =>
  timed(
    () => limit.ftp(port),
    work,
    async (client) => client.end(),
  );
const each = (work) => async (client) => {
  for (let index = 0; index < COUNT; index++) await work(client, index);
  return COUNT;
};
const sink = () => new Writable({ write: (_chunk, _encoding, done) => done() });

export async function* run(wanted) {
  const server = await startVsftpd({ listed: wanted('list') ? LISTED : 0, bigBytes: BIG_BYTES });
  const { port } = server;
  const url = `ftp://127.0.0.1:${port}/`;
  const transfer = (subject, mode) =>
    child(process.execPath, [
      `${here}children/ftp-transfer.mjs`,
      subject,
      mode,
      String(port),
      String(BIG_BYTES),
      server.big,
    ]);
  const python = (mode, count) =>
    child('python3', [`${here}children/python-ftp.py`, String(port), mode, String(count)]);
  const folder = mkdtempSync(join(tmpdir(), 'postwire-bench-'));
  try {
    if (wanted('download'))
      yield await compare('ftp', 'download', 'MB/s', {
        postwire: transfer('postwire', 'down'),
        'basic-ftp': transfer('basic-ftp', 'down'),
        'python ftplib': python('down', 0),
        curl: curl(['-o', '/dev/null', `${url}big.bin`], BIG_BYTES / 1e6),
        limit: transfer('limit', 'down'),
      });
    if (wanted('upload'))
      yield await compare('ftp', 'upload', 'MB/s', {
        postwire: transfer('postwire', 'up'),
        'postwire from a path': transfer('postwire', 'up-path'),
        'basic-ftp': transfer('basic-ftp', 'up'),
        'basic-ftp from a path': transfer('basic-ftp', 'up-path'),
        'python ftplib': python('up', BIG_BYTES),
        curl: curl(['-T', server.big, `${url}up/big.bin`], BIG_BYTES / 1e6),
        limit: transfer('limit', 'up'),
      });
    if (wanted('small-up')) {
      for (let index = 0; index < COUNT; index++) writeFileSync(join(folder, `s${index}.txt`), small);
      yield await compare('ftp', 'small-up', 'files/s', {
        postwire: () =>
          sessions(port, SESSIONS, (client, index) => client.upload(small, `up/s${index}.txt`, { beside: false })),
        'postwire beside, renamed': () =>
          sessions(port, SESSIONS, (client, index) => client.upload(small, `up/s${index}.txt`)),
        'postwire one session': () =>
          sessions(port, 1, (client, index) => client.upload(small, `up/s${index}.txt`, { beside: false })),
        'basic-ftp': basic(
          port,
          each((client, index) => client.uploadFrom(Readable.from([small]), `up/s${index}.txt`)),
        ),
        'python ftplib': python('small-up', COUNT),
        curl: curl(['-T', `${folder}/s[0-${COUNT - 1}].txt`, `${url}up/`], COUNT),
        limit: raw(
          port,
          each((client, index) => limit.uploadSmall(client, `up/s${index}.txt`, small)),
        ),
      });
    }
    if (wanted('small-down')) {
      await raw(
        port,
        each((client, index) => limit.uploadSmall(client, `up/s${index}.txt`, small)),
      )();
      yield await compare('ftp', 'small-down', 'files/s', {
        postwire: () => sessions(port, SESSIONS, (client, index) => client.download(`up/s${index}.txt`, () => {})),
        'postwire one session': () =>
          sessions(port, 1, (client, index) => client.download(`up/s${index}.txt`, () => {})),
        'basic-ftp': basic(
          port,
          each((client, index) => client.downloadTo(sink(), `up/s${index}.txt`)),
        ),
        'python ftplib': python('small-down', COUNT),
        curl: curl(['-o', '/dev/null', `${url}up/s[0-${COUNT - 1}].txt`], COUNT),
        limit: raw(
          port,
          each((client, index) => limit.download(client, `up/s${index}.txt`)),
        ),
      });
    }
    if (wanted('list'))
      yield await compare('ftp', 'list', 'entries/s', {
        postwire: () =>
          timed(
            () => FtpClient.connect(`ftp://127.0.0.1:${port}?tls=none`),
            async (client) => (await client.list('list')).length,
            (client) => client.quit(),
          ),
        'basic-ftp': basic(port, async (client) => (await client.list('list')).length),
        'python ftplib': python('list', 0),
        curl: curl(['-o', '/dev/null', `${url}list/`], LISTED),
        limit: raw(
          port,
          async (client) => (await limit.list(client, 'list')).toString('latin1').split('\n').length - 1,
        ),
      });
  } finally {
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
