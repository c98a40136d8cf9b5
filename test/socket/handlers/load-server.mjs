// A server in a process of its own, told by its standard input what to do.
import { createInterface } from 'node:readline';
import { serve } from '../../../dist/socket/index.js';

const errors = {};
const server = await serve({
  protocol: 'tcp',
  address: ':0',
  backlog: 4096,
  maxBytesPerConnection: 1_000_000,
  limits: { lineBytes: 1000 },
  onError: (error) => (errors[error.reason ?? error.code] = (errors[error.reason ?? error.code] ?? 0) + 1),
  async handler(client) {
    for await (const line of client) await client.writeLine(line.toUpperCase());
  },
});
console.log(JSON.stringify({ port: server.port }));
for await (const word of createInterface({ input: process.stdin })) {
  if (word === 'stats') {
    globalThis.gc();
    const { heapUsed, rss } = process.memoryUsage();
    console.log(JSON.stringify({ count: server.connectionCount, heapUsed, rss, errors }));
  } else {
    const started = performance.now();
    const result = await server.drain({ deadlineMs: 1000 });
    console.log(JSON.stringify({ ...result, drainMs: performance.now() - started }));
    process.exit(0);
  }
}
