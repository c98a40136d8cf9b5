// Sends a megabyte of lines and a prompt for every line that it gets. It negotiates nothing.
import { createServer } from 'node:net';

const line = `${'the quick brown fox jumps over the lazy dog, again and again'.padEnd(78, '.')}\r\n`;
const output = Buffer.from(`${line.repeat(12_500)}prompt$ `);
const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.write('prompt$ ');
  socket.on('data', (chunk) => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) socket.write(output);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`LISTEN ${server.address().port}`));
