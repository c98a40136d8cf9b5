// A bare socket that sends commands, so many at once, and counts the ends of what they answer. Decodes and keeps nothing.
import { connect } from 'node:net';

const END = Buffer.from('\r\n.\r\n');

export function drain(port, commands, atOnce) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', reject);
    let started = 0;
    let asked = 0;
    let done = 0;
    let tail = Buffer.alloc(0);
    const ask = () => {
      let text = '';
      while (asked < commands.length && asked - done < atOnce) text += `${commands[asked++]}\r\n`;
      if (text !== '') socket.write(text);
    };
    socket.on('data', (chunk) => {
      if (started === 0) {
        started = performance.now();
        ask();
        return;
      }
      // Only the last bytes of a chunk may be half an end.
      const border = Buffer.concat([tail, chunk.subarray(0, 4)]);
      if (tail.length > 0 && border.includes(END)) done++;
      for (let at = chunk.indexOf(END); at >= 0; at = chunk.indexOf(END, at + END.length)) done++;
      tail = Buffer.from(chunk.subarray(Math.max(0, chunk.length - 4)));
      if (done >= commands.length) {
        const seconds = (performance.now() - started) / 1000;
        socket.destroy();
        resolve(seconds);
      } else if (asked - done <= atOnce / 2) ask();
    });
  });
}
