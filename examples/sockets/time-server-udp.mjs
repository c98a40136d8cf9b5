// node examples/sockets/time-server-udp.mjs [PORT]: answers every datagram with the time.
import { UdpSocket } from 'postwire/socket';

const socket = await UdpSocket.bind({ port: process.argv[2] ?? 0 });
console.log(`listening on ${socket.getSockName().port}`);
for await (const { data, address } of socket) {
  console.log(`${address.host} asks ${Buffer.from(data).toString()}`);
  await socket.sendTo(new Date().toISOString(), address);
}
