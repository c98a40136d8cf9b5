// node examples/sockets/file-client.mjs PORT NAME TARGET: fetches a file. The target must not be there yet.
import { open, rm } from 'node:fs/promises';
import { TcpSocket } from 'postwire/socket';

const [port, name, target] = process.argv.slice(2);
const socket = await TcpSocket.connect({ port });
socket.setTimeout(10);
await socket.sendAll(`${name}\n`);
const length = Buffer.from(await socket.recvExactly(8)).readBigUInt64BE();
if (length === 0xffff_ffff_ffff_ffffn) {
  console.error(`the server has no ${name}`);
  process.exit(1);
}
const file = await open(target, 'wx');
try {
  let left = Number(length);
  while (left > 0) {
    const bytes = await socket.recv(Math.min(left, 65_536));
    if (bytes.length === 0) throw new Error(`${left} bytes are missing`);
    await file.writeFile(bytes);
    left -= bytes.length;
  }
  console.log(`${length} bytes`);
} catch (error) {
  // Half a file must not look like one.
  await rm(target);
  throw error;
} finally {
  await file.close();
  await socket.close();
}
