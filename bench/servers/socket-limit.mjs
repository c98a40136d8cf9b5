// The same with bare sockets of Node's.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const listen = (onConnection) =>
  new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    });
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
const ports = [
  await listen((socket) => {
    socket.on('data', (chunk) => {
      if (socket.write(chunk)) return;
      socket.pause();
      socket.once('drain', () => socket.resume());
    });
    socket.on('end', () => socket.end());
  }),
  await listen((socket) => {
    socket.resume();
    socket.on('end', () => socket.end('.'));
  }),
  await listen((socket) => socket.end('.')),
];
const udp = createSocket('udp4');
udp.on('message', (data, from) => udp.send(data, from.port, from.address));
udp.bind(0, '127.0.0.1', () => console.log(`LISTEN ${[...ports, udp.address().port].join(' ')}`));
