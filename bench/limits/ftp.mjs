// Raw sockets that speak just enough FTP: EPSV, a data connection, RETR, STOR, LIST. No limits, no timeouts, no checks.
import net from 'node:net';

export function ftp(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', reject);
    let buffer = '';
    const replies = [];
    const waiting = [];
    socket.on('data', (chunk) => {
      buffer += chunk.latin1Slice(0, chunk.length);
      for (let end = buffer.indexOf('\n'); end >= 0; end = buffer.indexOf('\n')) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 1);
        if (!/^\d{3} /.test(line)) continue;
        if (waiting.length > 0) waiting.shift()(line);
        else replies.push(line);
      }
    });
    const client = {
      socket,
      reply: () => (replies.length > 0 ? Promise.resolve(replies.shift()) : new Promise((done) => waiting.push(done))),
      command(text) {
        socket.write(`${text}\r\n`);
        return client.reply();
      },
      async passive() {
        return Number(/\|(\d+)\|/.exec(await client.command('EPSV'))[1]);
      },
      end() {
        socket.end('QUIT\r\n');
      },
    };
    (async () => {
      await client.reply();
      await client.command('USER anonymous');
      await client.command('TYPE I');
      resolve(client);
    })().catch(reject);
  });
}

const open = (port) =>
  new Promise((resolve, reject) => {
    const data = net.connect(port, '127.0.0.1', () => resolve(data));
    data.on('error', reject);
  });

export async function download(client, path) {
  const data = await open(await client.passive());
  const ended = new Promise((resolve) => data.on('close', resolve));
  let bytes = 0;
  data.on('data', (chunk) => (bytes += chunk.length));
  const reply = await client.command(`RETR ${path}`);
  if (!reply.startsWith('1')) throw new Error(reply);
  await ended;
  await client.reply();
  return bytes;
}

export async function upload(client, path, total, chunk = Buffer.alloc(1 << 18)) {
  const data = await open(await client.passive());
  const reply = await client.command(`STOR ${path}`);
  if (!reply.startsWith('1')) throw new Error(reply);
  for (let sent = 0; sent < total;) {
    const size = Math.min(chunk.length, total - sent);
    sent += size;
    if (!data.write(size === chunk.length ? chunk : chunk.subarray(0, size)))
      await new Promise((resolve) => data.once('drain', resolve));
  }
  const closed = new Promise((resolve) => data.on('close', resolve));
  data.end();
  await closed;
  await client.reply();
}

/** STOR, the connection and the data leave together: what one session can do at best. */
export async function uploadSmall(client, path, bytes) {
  const data = net.connect(await client.passive(), '127.0.0.1');
  data.on('error', () => {});
  client.socket.write(`STOR ${path}\r\n`);
  data.end(bytes);
  for (const first of ['1', '2']) {
    const reply = await client.reply();
    if (!reply.startsWith(first)) throw new Error(reply);
  }
  data.destroy();
}

export async function list(client, path) {
  const data = await open(await client.passive());
  const ended = new Promise((resolve) => data.on('close', resolve));
  const chunks = [];
  data.on('data', (chunk) => chunks.push(chunk));
  await client.command(`LIST ${path}`);
  await ended;
  await client.reply();
  return Buffer.concat(chunks);
}
