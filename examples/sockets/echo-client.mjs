// node examples/sockets/echo-client.mjs PORT TEXT...
import { TcpSocket } from 'postwire/socket';

const [port, ...words] = process.argv.slice(2);
const socket = await TcpSocket.connect({ port });
for (const word of words) {
  await socket.sendAll(word);
  console.log(Buffer.from(await socket.recvExactly(Buffer.byteLength(word))).toString());
}
await socket.close();
