// node examples/sockets/time-client-udp.mjs PORT
import { UdpSocket } from 'postwire/socket';

const socket = new UdpSocket();
socket.setTimeout(5);
await socket.sendTo('time?', { host: '127.0.0.1', port: process.argv[2] });
const { data } = await socket.recvFrom(1024);
console.log(Buffer.from(data).toString());
await socket.close();
