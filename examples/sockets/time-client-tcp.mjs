// node examples/sockets/time-client-tcp.mjs PORT
import { TcpSocket } from 'postwire/socket';

const socket = await TcpSocket.connect({ port: process.argv[2] }, { timeoutMs: 5000 });
console.log(
  Buffer.from(await socket.recv(1024))
    .toString()
    .trim(),
);
await socket.close();
