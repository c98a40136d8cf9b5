import { loadavg } from 'node:os';
import { YencDecoder, encodeYenc } from '../dist/mime/index.js';
import { NntpClient } from '../dist/nntp/index.js';
import { child, compare, here, repeatFor, startServer } from './harness.mjs';
import { drain } from './limits/nntp.mjs';

const LINES = 10_000;
const OVERS = 20;
const ARTICLES = 20_000;
const MEGABYTE = 1e6;
const connect = (port) => NntpClient.connect(`nntp://127.0.0.1:${port}?tls=none`);

/** Overviews one after the other; `use` is what is done with each entry. */
async function overviews(port, use) {
  const client = await connect(port);
  await client.group('misc.test');
  await client.overviewFormat();
  const started = performance.now();
  let amount = 0;
  for (let count = 0; count < OVERS; count++) {
    const entries = await client.over({ from: 1, to: LINES });
    for (const entry of entries) use(entry);
    amount += entries.length;
  }
  const seconds = (performance.now() - started) / 1000;
  client.destroy();
  return { amount, seconds };
}

async function articles(port) {
  const client = await connect(port);
  await client.group('misc.test');
  const started = performance.now();
  let amount = 0;
  for await (const { bytes } of client.fetch(Array.from({ length: ARTICLES }, (_, index) => index + 1)))
    amount += bytes === undefined ? 0 : 1;
  const seconds = (performance.now() - started) / 1000;
  client.destroy();
  return { amount, seconds };
}

export async function* run(wanted) {
  if (wanted('over') || wanted('article')) {
    const server = await startServer('nntp-canned.mjs', [String(LINES), String(ARTICLES)]);
    const python = (what, count) =>
      child('/usr/bin/python3', [
        `${here}children/python-nntp.py`,
        String(server.port),
        what,
        String(count),
        String(LINES),
      ]);
    let sum = 0;
    try {
      if (wanted('over'))
        yield loaded(
          await compare('nntp', 'over', 'lines/s', {
            postwire: () => overviews(server.port, (entry) => (sum += entry.number)),
            'postwire, five fields read': () =>
              overviews(server.port, (entry) => {
                sum += entry.subject.length + entry.from.length + entry.messageId.length + (entry.sizeBytes ?? 0);
                sum += entry.date?.getTime() ?? 0;
              }),
            'python nntplib': python('over', 2),
            limit: async () => ({
              amount: OVERS * LINES,
              seconds: await drain(
                server.port,
                Array.from({ length: OVERS }, () => `OVER 1-${LINES}`),
                1,
              ),
            }),
          }),
        );
      if (wanted('article'))
        yield loaded(
          await compare('nntp', 'article', 'articles/s', {
            postwire: () => articles(server.port),
            'python nntplib': python('article', ARTICLES),
            limit: async () => ({
              amount: ARTICLES,
              seconds: await drain(
                server.port,
                Array.from({ length: ARTICLES }, (_, index) => `ARTICLE ${index + 1}`),
                100,
              ),
            }),
          }),
        );
    } finally {
      server.stop();
    }
    if (sum === 0 && wanted('over')) throw new Error('nothing was read');
  }
  // One article of usual size, of bytes that no coding is lucky with; the limit is a copy of what comes out into memory of its own.
  const file = Buffer.alloc(750_000);
  for (let at = 0, state = 1; at < file.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    file[at] = state >>> 24;
  }
  const encoded = encodeYenc(file, { name: 'bench.bin' });
  const copy = (bytes) => repeatFor(300, () => Buffer.from(bytes).length / MEGABYTE);
  if (wanted('yenc-decode'))
    yield loaded(
      await compare('nntp', 'yenc-decode', 'MB/s', {
        postwire: repeatFor(300, () => {
          const decoder = new YencDecoder();
          decoder.push(encoded);
          const { ok, bytes } = decoder.end();
          if (!ok) throw new Error('it did not come back');
          return bytes / MEGABYTE;
        }),
        limit: copy(file),
      }),
    );
  if (wanted('yenc-encode'))
    yield loaded(
      await compare('nntp', 'yenc-encode', 'MB/s', {
        postwire: repeatFor(300, () => (encodeYenc(file, { name: 'bench.bin' }), file.length / MEGABYTE)),
        limit: copy(encoded),
      }),
    );
}

/** Says on standard error what else the machine did meanwhile. */
function loaded(rows) {
  console.error(
    `load ${loadavg()
      .map((each) => each.toFixed(2))
      .join(' ')}`,
  );
  return rows;
}
