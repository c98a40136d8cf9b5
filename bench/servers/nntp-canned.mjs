// Answers OVER and ARTICLE from memory: what is left to measure is the client.
import { createServer } from 'node:net';

const [lines, articles] = process.argv.slice(2).map(Number);
const overview = Array.from(
  { length: lines },
  (_, index) =>
    `${index + 1}\tRe: a subject of usual length, number ${index + 1}\tAnn Example <ann${index}@example.com>\tMon, 1 Jan 2024 10:00:00 +0000\t<${index + 1}@bench.example>\t<parent${index}@bench.example> <other${index}@bench.example>\t2345\t34\tXref: bench misc.test:${index + 1}\r\n`,
).join('');
const over = Buffer.from(`224 overview follows\r\n${overview}.\r\n`);
const body = `${'x'.repeat(76)}\r\n`.repeat(24);
const canned = Array.from({ length: articles }, (_, index) =>
  Buffer.from(
    `220 ${index + 1} <${index + 1}@bench.example>\r\nFrom: ann@example.com\r\nSubject: ${index + 1}\r\nMessage-ID: <${index + 1}@bench.example>\r\n\r\n${body}.\r\n`,
  ),
);
const format = 'Subject:\r\nFrom:\r\nDate:\r\nMessage-ID:\r\nReferences:\r\n:bytes\r\n:lines\r\nXref:full\r\n';
const answers = {
  CAPABILITIES: Buffer.from('101 x\r\nVERSION 2\r\nREADER\r\nOVER\r\n.\r\n'),
  LIST: Buffer.from(`215 x\r\n${format}.\r\n`),
  GROUP: Buffer.from(`211 ${lines} 1 ${lines} misc.test\r\n`),
  OVER: over,
  XOVER: over,
};
const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.write('200 ready\r\n');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const out = [];
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const [verb, word] = text.slice(0, end).split(' ');
      text = text.slice(end + 2);
      out.push(
        verb === 'ARTICLE' ? canned[Number(word) - 1] : (answers[verb.toUpperCase()] ?? Buffer.from('500 what?\r\n')),
      );
    }
    socket.write(Buffer.concat(out));
  });
});
server.listen(0, '127.0.0.1', () => console.log(`LISTEN ${server.address().port}`));
