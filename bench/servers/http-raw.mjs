// Faster than any client, so that the client is what is measured: one canned answer for every request seen, and /big/N streams N bytes.
import { createServer } from 'node:net';

const body = JSON.stringify({ hello: 'world', pad: 'x'.repeat(100) });
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nConnection: keep-alive\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
);
const END = Buffer.from('\r\n\r\n');
const block = Buffer.alloc(65536, 66);

function stream(socket, size) {
  let left = size;
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${left}\r\n\r\n`);
  const pump = () => {
    while (left > 0) {
      const count = Math.min(left, block.length);
      left -= count;
      if (!socket.write(count === block.length ? block : block.subarray(0, count))) {
        socket.once('drain', pump);
        return;
      }
    }
  };
  pump();
}

const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  let rest;
  socket.on('data', (chunk) => {
    const data = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    rest = undefined;
    let at = 0;
    let count = 0;
    for (let end = data.indexOf(END); end >= 0; end = data.indexOf(END, at)) {
      const big = /^GET \/big\/(\d+)/.exec(data.latin1Slice(at, at + 40));
      if (big) stream(socket, Number(big[1]));
      else count++;
      at = end + END.length;
    }
    if (at < data.length) rest = data.subarray(at);
    if (count > 0) socket.write(count === 1 ? answer : Buffer.concat(Array.from({ length: count }, () => answer)));
  });
});
server.listen(0, '127.0.0.1', () => console.log(`LISTEN ${server.address().port}`));
