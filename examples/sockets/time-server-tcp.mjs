// node examples/sockets/time-server-tcp.mjs [PORT]: tells everybody who connects what time it is.
import { TcpListener } from 'postwire/socket';

const listener = await TcpListener.listen({ port: process.argv[2] ?? 0 });
console.log(`listening on ${listener.getSockName().port}`);
for await (const socket of listener) {
  console.log(`${socket.getPeerName().host} asks`);
  try {
    await socket.sendAll(`${new Date().toISOString()}\r\n`);
    await socket.close();
  } catch (error) {
    console.error(error.message);
  }
}
