// A lean SMTP sink: PIPELINING, CHUNKING, 8BITMIME, SIZE; all replies to one read leave in one write. It keeps nothing.
import { createServer } from 'node:net';

const END = Buffer.from('\r\n.\r\n');
const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.write('220 sink ESMTP\r\n');
  let line = Buffer.alloc(0);
  /** 'line', 'data' or bytes of a chunk still to come. */
  let mode = 'line';
  let left = 0;
  let tail = Buffer.alloc(0);
  socket.on('data', (received) => {
    let chunk = received;
    let at = 0;
    let out = '';
    if (mode === 'line' && line.length > 0) {
      chunk = Buffer.concat([line, chunk]);
      line = Buffer.alloc(0);
    }
    while (at < chunk.length) {
      if (mode === 'line') {
        const end = chunk.indexOf(10, at);
        if (end < 0) {
          line = Buffer.from(chunk.subarray(at));
          break;
        }
        const text = chunk.latin1Slice(at, end).trimEnd();
        at = end + 1;
        switch (text.slice(0, 4).toUpperCase()) {
          case 'EHLO':
            out +=
              '250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 2000000000\r\n';
            break;
          case 'DATA':
            out += '354 go\r\n';
            mode = 'data';
            tail = Buffer.from('\r\n');
            break;
          case 'BDAT':
            left = Number(text.split(' ')[1]);
            if (left === 0) out += '250 2.0.0 OK\r\n';
            else mode = 'chunk';
            break;
          case 'QUIT':
            socket.end(`${out}221 bye\r\n`);
            return;
          default:
            out += '250 2.0.0 OK\r\n';
        }
      } else if (mode === 'data') {
        // An end that lies across two reads, then one within this one.
        const seam = tail.length > 0 ? Buffer.concat([tail, chunk.subarray(at, at + 5)]) : tail;
        const across = seam.length > 0 ? seam.indexOf(END) : -1;
        let end = -1;
        if (across >= 0) end = at + across + END.length - tail.length;
        else {
          const found = chunk.indexOf(END, at);
          if (found >= 0) end = found + END.length;
        }
        if (end >= 0) {
          at = end;
          mode = 'line';
          out += '250 2.0.0 queued\r\n';
        } else {
          const rest = chunk.subarray(at);
          tail = rest.length >= 4 ? Buffer.from(rest.subarray(-4)) : Buffer.concat([tail, rest]).subarray(-4);
          at = chunk.length;
        }
      } else {
        const take = Math.min(left, chunk.length - at);
        left -= take;
        at += take;
        if (left === 0) {
          mode = 'line';
          out += '250 2.0.0 OK\r\n';
        }
      }
    }
    if (out !== '') socket.write(out);
  });
});
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(`LISTEN ${server.address().port}`));
