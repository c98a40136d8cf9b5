// The workloads of bench/socket.mjs with bare sockets of Node's.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

const MESSAGE = Buffer.alloc(64, 120);
const BLOCK = Buffer.alloc(65536, 120);

async function opened(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

const talk = (socket, count) =>
  new Promise((resolve, reject) => {
    let left = count;
    let got = 0;
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      got += chunk.length;
      if (got < MESSAGE.length) return;
      got = 0;
      if (--left === 0) {
        socket.destroy();
        resolve();
      } else socket.write(MESSAGE);
    });
    socket.write(MESSAGE);
  });

export async function echo(port, count, connections) {
  const sockets = [];
  for (let index = 0; index < connections; index++) sockets.push(await opened(port));
  const started = performance.now();
  await Promise.all(sockets.map((socket) => talk(socket, count)));
  return { amount: count * connections, seconds: (performance.now() - started) / 1000 };
}

export async function stream(port, count) {
  const socket = await opened(port);
  const started = performance.now();
  for (let left = count; left > 0; left--) if (!socket.write(BLOCK)) await once(socket, 'drain');
  socket.end();
  await once(socket, 'data');
  const seconds = (performance.now() - started) / 1000;
  socket.destroy();
  return { amount: (count * BLOCK.length) / 1e6, seconds };
}

export async function udp(port, count) {
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.connect(port, '127.0.0.1', resolve));
  const started = performance.now();
  let left = count;
  await new Promise((resolve) => {
    socket.on('message', () => (--left === 0 ? resolve() : socket.send(MESSAGE)));
    socket.send(MESSAGE);
  });
  const seconds = (performance.now() - started) / 1000;
  socket.close();
  return { amount: count, seconds };
}

export async function accept(port, count, connections) {
  const some = async () => {
    for (let left = count / connections; left > 0; left--) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'data');
      socket.destroy();
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: connections }, some));
  return { amount: count, seconds: (performance.now() - started) / 1000 };
}
