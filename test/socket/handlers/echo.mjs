// The handlers that threads and processes load.
import { threadId } from 'node:worker_threads';

export async function handler(client) {
  await client.writeLine(`pid ${process.pid} thread ${threadId}`);
  for await (const line of client) {
    if (line === 'exit') process.exit(3);
    if (line === 'throw') throw new Error('thrown on purpose');
    if (line === 'tls') {
      await client.writeLine('go');
      await client.startTls();
      continue;
    }
    if (line === 'wait') {
      await client.writeLine('waiting');
      await new Promise((resolve) => client.draining.addEventListener('abort', resolve));
      await client.writeLine('drained');
      return;
    }
    await client.writeLine(line.toUpperCase());
  }
}

export async function copy(client) {
  for (let bytes = await client.read(); bytes.length > 0; bytes = await client.read()) await client.write(bytes);
}

export class Counter {
  constructor(client) {
    this.client = client;
  }
  async handle() {
    await this.client.writeLine('class');
  }
}

/** Says a lot and leaves at once. */
export async function parting(client) {
  await client.write(new Uint8Array(3_000_000).fill(46));
}
