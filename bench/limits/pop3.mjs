// A bare socket that reads messages by RETR: all asked for at once, or one after the other. Counts bodies and bytes; decodes nothing.
import { connect } from 'node:net';

const END = Buffer.from('\r\n.\r\n');

export function retrieve(port, count, atOnce) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', reject);
    const hello = ['USER user\r\n', 'PASS pass\r\n'];
    let started = 0;
    let asked = 0;
    let done = 0;
    let tail = Buffer.alloc(0);
    const ask = () => {
      let text = '';
      while (asked < count && asked - done < atOnce) text += `RETR ${++asked}\r\n`;
      if (text !== '') socket.write(text);
    };
    socket.on('data', (chunk) => {
      if (started === 0) {
        if (hello.length > 0) {
          socket.write(hello.shift());
          return;
        }
        started = performance.now();
        ask();
        return;
      }
      const data = tail.length > 0 ? Buffer.concat([tail, chunk]) : chunk;
      let at = 0;
      for (let end = data.indexOf(END); end >= 0; end = data.indexOf(END, at)) {
        done++;
        at = end + END.length;
      }
      tail = Buffer.from(data.subarray(Math.max(at, data.length - 4)));
      if (done >= count) {
        const seconds = (performance.now() - started) / 1000;
        socket.destroy();
        resolve(seconds);
      } else if (asked - done <= atOnce / 2) ask();
    });
  });
}
