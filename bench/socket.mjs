// Both ends of each subject are its own: a server in a process, a client in this one, or in another for Python's asyncio.
import { spawn } from 'node:child_process';
import { TcpSocket, UdpSocket } from '../dist/socket/index.js';
import { child, compare, here } from './harness.mjs';
import { accept, echo, stream, udp } from './limits/socket.mjs';

const limits = { accept, echo, stream, udp };
const MESSAGE = Buffer.alloc(64, 120);
const BLOCK = Buffer.alloc(65536, 120);

const postwire = {
  async echo(port, count, connections) {
    const sockets = [];
    for (let index = 0; index < connections; index++) sockets.push(await TcpSocket.connect({ port }));
    const talk = async (socket) => {
      for (let left = count; left > 0; left--) {
        await socket.sendAll(MESSAGE);
        for (let got = 0; got < MESSAGE.length;) got += (await socket.recv()).length;
      }
      await socket.close();
    };
    const started = performance.now();
    await Promise.all(sockets.map(talk));
    return { amount: count * connections, seconds: (performance.now() - started) / 1000 };
  },
  async stream(port, count) {
    const socket = await TcpSocket.connect({ port });
    const started = performance.now();
    for (let left = count; left > 0; left--) await socket.sendAll(BLOCK);
    await socket.shutdown('write');
    await socket.recv();
    const seconds = (performance.now() - started) / 1000;
    await socket.close();
    return { amount: (count * BLOCK.length) / 1e6, seconds };
  },
  async udp(port, count) {
    const socket = await UdpSocket.connect({ port });
    const started = performance.now();
    for (let left = count; left > 0; left--) {
      await socket.send(MESSAGE);
      await socket.recv();
    }
    const seconds = (performance.now() - started) / 1000;
    await socket.close();
    return { amount: count, seconds };
  },
  async accept(port, count, connections) {
    const some = async () => {
      for (let left = count / connections; left > 0; left--) {
        const socket = await TcpSocket.connect({ port });
        await socket.recv();
        await socket.close();
      }
    };
    const started = performance.now();
    await Promise.all(Array.from({ length: connections }, some));
    return { amount: count, seconds: (performance.now() - started) / 1000 };
  },
};

/** [function, index of the server's port, unit, count, connections] */
const workloads = {
  'echo-1': ['echo', 0, 'round trips/s', 10_000, 1],
  'echo-100': ['echo', 0, 'round trips/s', 500, 100],
  stream: ['stream', 1, 'MB/s', 4000, 1],
  udp: ['udp', 3, 'round trips/s', 10_000, 1],
  accept: ['accept', 2, 'connections/s', 1000, 10],
};

async function start(command, script) {
  const server = spawn(command, [`${here}servers/${script}`], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ports = await new Promise((resolve, reject) => {
    let out = '';
    server.stdout.on('data', (chunk) => {
      out += chunk;
      if (out.includes('\n')) resolve(out.trim().split(' ').slice(1).map(Number));
    });
    server.on('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return { ports, stop: () => server.kill() };
}

export async function* run(wanted) {
  const names = Object.keys(workloads).filter(wanted);
  if (names.length === 0) return;
  const ours = await start(process.execPath, 'socket-postwire.mjs');
  const bare = await start(process.execPath, 'socket-limit.mjs');
  const python = await start('python3', 'python-socket.py');
  try {
    for (const name of names) {
      const [workload, at, unit, count, connections] = workloads[name];
      const args = [`${here}children/python-socket.py`, workload, python.ports[at], count, connections].map(String);
      yield await compare('socket', name, unit, {
        postwire: () => postwire[workload](ours.ports[at], count, connections),
        asyncio: child('python3', args),
        limit: () => limits[workload](bare.ports[at], count, connections),
      });
    }
  } finally {
    for (const server of [ours, bare, python]) server.stop();
  }
}
