import { Telnet } from 'telnet-client';
import { TelnetClient } from '../dist/telnet/index.js';
import { compare, startServer } from './harness.mjs';
import { outputs } from './limits/telnet.mjs';

const COUNT = 100;
const PROMPT = 'prompt$ ';
const MEGABYTE = 1e6;

/** 100 megabytes of output, each up to a prompt, taken as text. */
async function postwire(port) {
  const client = await TelnetClient.connect(`telnet://127.0.0.1:${port}`);
  await client.expect(PROMPT);
  const started = performance.now();
  let length = 0;
  for (let count = 0; count < COUNT; count++) {
    await client.writeLine('go');
    length += (await client.expect(PROMPT, { timeoutMs: 60_000 })).before.length;
  }
  const seconds = (performance.now() - started) / 1000;
  client.destroy();
  return { amount: length / MEGABYTE, seconds };
}

async function telnetClient(port) {
  const client = new Telnet();
  await client.connect({
    host: '127.0.0.1',
    port,
    // A text would be taken for an expression, in which $ means the end.
    shellPrompt: /prompt\$ /,
    negotiationMandatory: false,
    disableLogon: true,
    timeout: 20_000,
    execTimeout: 20_000,
    maxBufferLength: 16 * 1024 * 1024,
  });
  const started = performance.now();
  let length = 0;
  for (let count = 0; count < COUNT; count++) length += (await client.exec('go')).length;
  const seconds = (performance.now() - started) / 1000;
  await client.destroy();
  // Its default drops an echo's line, which there is none of, and line ends: what came is what counts.
  if (length < 0.9 * COUNT * MEGABYTE) throw new Error(`telnet-client lost output: ${length} characters`);
  return { amount: COUNT, seconds };
}

export async function* run(wanted) {
  if (!wanted('output')) return;
  const server = await startServer('telnet-output.mjs');
  try {
    yield await compare('telnet', 'output', 'MB/s', {
      postwire: () => postwire(server.port),
      'telnet-client': () => telnetClient(server.port),
      limit: async () => {
        const { seconds, bytes } = await outputs(server.port, COUNT, PROMPT);
        return { amount: bytes / MEGABYTE, seconds };
      },
    });
  } finally {
    server.stop();
  }
}
