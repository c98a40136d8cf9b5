import { Agent as NodeAgent, get } from 'node:http';
import { Agent, request as undiciRequest } from 'undici';
import { HttpClient } from '../dist/http/index.js';
import { child, compare, here, startServer } from './harness.mjs';
import { rawDownload, rawGet } from './limits/http.mjs';

const COUNT = Number(process.env.COUNT ?? 6000);
const BIG = 2 ** 30;

/** `total` calls, so many at a time. */
async function atOnce(concurrency, total, call) {
  let begun = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (begun < total) {
        begun++;
        await call();
      }
    }),
  );
  return { amount: total, seconds: (performance.now() - started) / 1000 };
}

async function* small(port, workload, concurrency) {
  const url = `http://127.0.0.1:${port}/`;
  const client = new HttpClient({ maxConnections: concurrency });
  const dispatcher = new Agent({ connections: concurrency, pipelining: 1 });
  const agent = new NodeAgent({ keepAlive: true, maxSockets: concurrency });
  const nodeGet = () =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path: '/', agent }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks).toString()));
      }).on('error', reject);
    });
  yield await compare('http', workload, 'requests/s', {
    postwire: () => atOnce(concurrency, COUNT, async () => (await client.request(url)).text()),
    'undici.request': () =>
      atOnce(concurrency, COUNT, async () => (await undiciRequest(url, { dispatcher })).body.text()),
    'undici.fetch': () => atOnce(concurrency, COUNT / 2, async () => (await fetch(url)).text()),
    'node:http': () => atOnce(concurrency, COUNT, nodeGet),
    limit: () => rawGet(port, concurrency, COUNT * 2),
  });
  agent.destroy();
  await Promise.all([dispatcher.close(), client.close()]);
}

async function nodeDownload(port) {
  const started = performance.now();
  let bytes = 0;
  await new Promise((resolve, reject) => {
    get(`http://127.0.0.1:${port}/big/${BIG}`, (response) => {
      response.on('data', (chunk) => (bytes += chunk.length));
      response.on('end', resolve);
    }).on('error', reject);
  });
  return { amount: bytes / 1e6, seconds: (performance.now() - started) / 1000 };
}

async function undiciDownload(port) {
  const started = performance.now();
  const { body } = await undiciRequest(`http://127.0.0.1:${port}/big/${BIG}`);
  let bytes = 0;
  for await (const chunk of body) bytes += chunk.length;
  return { amount: bytes / 1e6, seconds: (performance.now() - started) / 1000 };
}

async function fetchDownload(port) {
  const started = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}/big/${BIG}`);
  let bytes = 0;
  for await (const chunk of response.body) bytes += chunk.length;
  return { amount: bytes / 1e6, seconds: (performance.now() - started) / 1000 };
}

export async function* run(wanted) {
  const { port, stop } = await startServer('http-raw.mjs');
  try {
    if (wanted('get-1')) yield* small(port, 'get-1', 1);
    if (wanted('get-50')) yield* small(port, 'get-50', 50);
    if (wanted('download'))
      yield await compare(
        'http',
        'download',
        'MB/s',
        {
          // A fresh process, whose memory is told.
          postwire: child(process.execPath, [`${here}children/http-download.mjs`, String(port), String(BIG)]),
          'undici.request': () => undiciDownload(port),
          'undici.fetch': () => fetchDownload(port),
          'node:http': () => nodeDownload(port),
          limit: () => rawDownload(port, BIG),
        },
        { warmUp: 1 },
      );
  } finally {
    stop();
  }
}
