import { readFileSync, writeFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';
import { ImapClient, sequences } from '../dist/imap/index.js';
import { largeMessage, message2kb } from './data.mjs';
import { child, compare, here, startServer } from './harness.mjs';
import { open } from './limits/imap.mjs';
import { startDovecot } from './servers/dovecot.mjs';

const COUNT = 10_000;
const APPENDS = 1000;
/** Commands that the limits have under way at once, and messages of one MULTIAPPEND. */
const WINDOW = 50;
const FETCH = { envelopes: 'FETCH 1:* (UID FLAGS ENVELOPE)', sources: 'FETCH 1:* (UID FLAGS BODY.PEEK[])' };
const messagePath = `${here}.data/message-2kb.eml`;

const connect = (port) =>
  ImapClient.connect(`imap://user:pass@127.0.0.1:${port}?tls=none&allowInsecureAuth=true`, { mechanisms: ['PLAIN'] });

async function withClient(port, mailbox, action) {
  const client = await connect(port);
  if (mailbox !== undefined) await client.select(mailbox);
  const started = performance.now();
  const amount = await action(client);
  const seconds = (performance.now() - started) / 1000;
  await client.logout();
  return { amount, seconds };
}

async function withFlow(port, mailbox, action) {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user: 'user', pass: 'pass' },
    logger: false,
    disableAutoIdle: true,
  });
  await client.connect();
  const lock = await client.getMailboxLock(mailbox);
  const started = performance.now();
  const amount = await action(client);
  const seconds = (performance.now() - started) / 1000;
  lock.release();
  await client.logout();
  return { amount, seconds };
}

async function withSocket(port, mailbox, action) {
  const session = await open(port);
  if (mailbox !== undefined) await session.ask(`SELECT ${mailbox}`);
  const started = performance.now();
  const amount = await action(session);
  const seconds = (performance.now() - started) / 1000;
  session.close();
  return { amount, seconds };
}

async function count(iterable) {
  let messages = 0;
  for await (const message of iterable) if (message.uid > 0) messages++;
  return messages;
}

/** Puts the messages into a mailbox, in a few large commands. */
async function fill(port, mailbox, total) {
  const session = await open(port);
  await session.ask(`CREATE ${mailbox}`);
  for (let from = 0; from < total; from += 500) {
    const parts = [];
    for (let index = from; index < Math.min(from + 500, total); index++) {
      const message = message2kb.toString('latin1').replace('0123456789abcdef', String(index).padStart(16, '0'));
      parts.push(` (\\Seen) {${message.length}+}\r\n${message}`);
    }
    await session.ask(`APPEND ${mailbox}${parts.join('')}`);
  }
  session.close();
}

async function emptied(port, mailbox) {
  const session = await open(port);
  await session.ask(`DELETE ${mailbox}`);
  await session.ask(`CREATE ${mailbox}`);
  session.close();
}

const python = (port, workload, mailbox, amount) =>
  child('python3', [`${here}children/python-imap.py`, String(port), workload, mailbox, String(amount), messagePath]);

async function* fetches(server, wanted) {
  const { port } = server;
  await fill(port, 'many', COUNT);
  // The server's cache, too, is warm from here on.
  await withSocket(port, 'many', (session) => session.ask(FETCH.envelopes));
  for (const workload of ['envelopes', 'sources']) {
    if (!wanted(workload)) continue;
    const query = workload === 'envelopes' ? { envelope: true } : { source: true };
    yield await compare('imap', workload, 'messages/s', {
      postwire: () =>
        withClient(port, 'many', (client) => count(client.fetch(sequences('1:*'), { flags: true, ...query }))),
      imapflow: () =>
        withFlow(port, 'many', (client) => count(client.fetch('1:*', { uid: true, flags: true, ...query }))),
      'python imaplib': python(port, workload, 'many', COUNT),
      limit: () =>
        withSocket(port, 'many', async (session) => {
          await session.ask(FETCH[workload]);
          return COUNT;
        }),
    });
  }
  for (const workload of ['cpu-envelopes', 'cpu-sources']) {
    if (!wanted(workload)) continue;
    const kind = workload.slice(4);
    const replay = await record(port, FETCH[kind], `${here}.data/imap-${kind}.bin`);
    try {
      const subject = (name) =>
        child(process.execPath, [
          `${here}children/imap-cpu.mjs`,
          String(replay.port),
          name,
          kind,
          String(COUNT),
          `${here}.data/imap-${kind}.bin`,
        ]);
      yield await compare(
        'imap',
        workload,
        'messages/cpu-s',
        { postwire: subject('postwire'), imapflow: subject('imapflow'), limit: subject('limit') },
        { warmUp: 0 },
      );
    } finally {
      replay.stop();
    }
  }
}

/** A server that answers every FETCH with what this one answered. */
async function record(port, command, path) {
  const session = await open(port);
  await session.ask('SELECT many');
  const chunks = [];
  await new Promise((resolve) => {
    const tag = session.nextTag();
    session.onChunk = (chunk) => {
      chunks.push(chunk);
      const end = Buffer.concat(chunks.slice(-2)).toString('latin1');
      if (end.includes(`\r\n${tag} OK`)) resolve();
    };
    session.socket.write(`${tag} ${command}\r\n`);
  });
  session.close();
  const all = Buffer.concat(chunks);
  writeFileSync(path, all.subarray(0, all.lastIndexOf('\r\nT') + 2));
  return startServer('imap-replay.mjs', [path, String(COUNT)]);
}

async function* appends({ port }, wanted) {
  const flags = ['\\Seen'];
  const messages = Array.from({ length: APPENDS }, () => ({ source: message2kb, flags }));
  const line = ` (\\Seen) {${message2kb.length}+}\r\n${message2kb.toString('latin1')}`;
  const fresh = (mailbox, action) => async () => {
    await emptied(port, mailbox);
    return action();
  };
  if (wanted('append'))
    yield await compare('imap', 'append', 'messages/s', {
      postwire: fresh('appended', () =>
        withClient(port, undefined, async (client) => {
          await Promise.all(messages.map(({ source }) => client.append('appended', source, { flags })));
          return APPENDS;
        }),
      ),
      imapflow: fresh('appended', () =>
        withFlow(port, 'INBOX', async (client) => {
          for (const { source } of messages) await client.append('appended', source, flags);
          return APPENDS;
        }),
      ),
      'python imaplib': fresh('appended', python(port, 'append', 'appended', APPENDS)),
      limit: fresh('appended', () =>
        withSocket(port, undefined, async (session) => {
          for (let from = 0; from < APPENDS; from += WINDOW) {
            session.socket.cork();
            for (let index = 1; index < WINDOW; index++)
              session.socket.write(`${session.nextTag()} APPEND appended${line}\r\n`, 'latin1');
            const last = session.ask(`APPEND appended${line}`);
            session.socket.uncork();
            await last;
          }
          return APPENDS;
        }),
      ),
    });
  if (wanted('multiappend'))
    yield await compare('imap', 'multiappend', 'messages/s', {
      postwire: fresh('appended', () =>
        withClient(port, undefined, async (client) => {
          await client.appendAll('appended', messages);
          return APPENDS;
        }),
      ),
      limit: fresh('appended', () =>
        withSocket(port, undefined, async (session) => {
          for (let from = 0; from < APPENDS; from += WINDOW) await session.ask(`APPEND appended${line.repeat(WINDOW)}`);
          return APPENDS;
        }),
      ),
    });
}

async function* large({ port }) {
  const message = readFileSync(largeMessage(100_000_000));
  const session = await open(port);
  await session.ask('CREATE big');
  await new Promise((resolve) => {
    const tag = session.nextTag();
    session.expect(tag, resolve);
    session.socket.write(`${tag} APPEND big {${message.length}+}\r\n`);
    session.socket.write(message);
    session.socket.write('\r\n');
  });
  session.close();
  const subject = (name) => child(process.execPath, [`${here}children/imap-stream.mjs`, String(port), name]);
  yield await compare(
    'imap',
    '137mb',
    'MB/s',
    {
      postwire: subject('postwire'),
      'imapflow fetchOne': subject('fetchOne'),
      'imapflow download': subject('download'),
      'python imaplib': python(port, '137mb', 'big', 1),
      limit: subject('limit'),
    },
    { warmUp: 0, rounds: 3 },
  );
}

export async function* run(wanted) {
  const server = await startDovecot([], { protocol: 'imap' });
  try {
    if (['envelopes', 'sources', 'cpu-envelopes', 'cpu-sources'].some(wanted)) yield* fetches(server, wanted);
    if (['append', 'multiappend'].some(wanted)) yield* appends(server, wanted);
    if (wanted('137mb')) yield* large(server);
  } finally {
    server.stop();
  }
}
