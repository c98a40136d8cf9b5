// node examples/sockets/port-scanner.mjs FIRST LAST: which ports of this machine somebody listens on.
import { TcpSocket, getServByPort } from 'postwire/socket';

const [first = 1, last = 1024] = process.argv.slice(2).map(Number);
const ports = Array.from({ length: last - first + 1 }, (_, index) => first + index);

async function scan() {
  for (let port = ports.shift(); port !== undefined; port = ports.shift()) {
    const socket = new TcpSocket();
    const result = await socket.connectEx({ host: '127.0.0.1', port }, { timeoutMs: 500 });
    await socket.close();
    if (result === 0) console.log(`${port} is open${named(port)}`);
  }
}

function named(port) {
  try {
    return ` (${getServByPort(port, 'tcp')})`;
  } catch {
    return '';
  }
}

await Promise.all(Array.from({ length: 50 }, scan));
