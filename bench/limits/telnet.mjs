// A bare socket that asks for output and waits for the prompt at its end. Decodes and keeps nothing.
import { connect } from 'node:net';

export function outputs(port, count, prompt) {
  const end = Buffer.from(prompt);
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', reject);
    let started = 0;
    let left = count;
    let bytes = 0;
    socket.on('data', (chunk) => {
      if (started > 0) bytes += chunk.length;
      if (!chunk.subarray(-end.length).equals(end)) return;
      if (started === 0) started = performance.now();
      if (left-- === 0) {
        const seconds = (performance.now() - started) / 1000;
        socket.destroy();
        resolve({ seconds, bytes });
      } else socket.write('go\n');
    });
  });
}
