// A bare socket that says what a lean SMTP client must: one round trip a message by DATA, or a window of BDAT.
import { connect } from 'node:net';

const ENVELOPE = 'MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n';
const DOT = Buffer.from('.\r\n');
const DOT_AND_NEXT = Buffer.from(`.\r\n${ENVELOPE}`);
const CRLF_DOT = Buffer.from('\r\n.');

function open(port) {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  const queue = [];
  const waiting = [];
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.latin1Slice(0, chunk.length);
    let at = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      if (text[at + 3] !== '-') {
        const code = Number(text.slice(at, at + 3));
        const waiter = waiting.shift();
        if (waiter) waiter(code);
        else queue.push(code);
      }
      at = end + 1;
    }
    text = text.slice(at);
  });
  const reply = () =>
    queue.length > 0 ? Promise.resolve(queue.shift()) : new Promise((resolve) => waiting.push(resolve));
  return { socket, reply };
}

/** Views of the message with a dot before each line that begins with one; no copy when there is none. */
function stuffed(message) {
  const parts = message[0] === 46 ? [Buffer.from('.')] : [];
  let from = 0;
  for (let at = message.indexOf(CRLF_DOT); at >= 0; at = message.indexOf(CRLF_DOT, from)) {
    parts.push(message.subarray(from, at + 2), Buffer.from('.'));
    from = at + 2;
  }
  parts.push(message.subarray(from));
  return parts;
}

async function greet({ socket, reply }) {
  await reply();
  socket.write('EHLO me\r\n');
  await reply();
}

export async function sendData(port, message, count) {
  const { socket, reply } = open(port);
  await greet({ socket, reply });
  const started = performance.now();
  socket.write(ENVELOPE);
  for (let index = 0; index < count; index++) {
    if (index > 0) await reply();
    await reply();
    await reply();
    if ((await reply()) !== 354) throw new Error('no 354');
    socket.cork();
    for (const part of stuffed(message)) socket.write(part);
    socket.write(index + 1 < count ? DOT_AND_NEXT : DOT);
    socket.uncork();
  }
  await reply();
  const seconds = (performance.now() - started) / 1000;
  socket.destroy();
  return seconds;
}
