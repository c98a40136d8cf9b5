// A bare socket that speaks just enough HTTP: status and fields into an object, the body by its length. One request in flight a connection.
import { connect } from 'node:net';

const END = Buffer.from('\r\n\r\n');
const request = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n');

/** Seconds for `total` requests over so many connections. */
export function rawGet(port, connections, total) {
  return new Promise((resolve, reject) => {
    const sockets = [];
    let sent = 0;
    let done = 0;
    let ready = 0;
    let started = 0;
    const answered = (socket) => {
      if (++done === total) {
        const seconds = (performance.now() - started) / 1000;
        for (const each of sockets) each.destroy();
        resolve({ amount: total, seconds });
      } else if (sent < total) {
        sent++;
        socket.write(request);
      }
    };
    for (let index = 0; index < connections; index++) {
      const socket = connect(port, '127.0.0.1', () => {
        if (++ready < connections) return;
        started = performance.now();
        for (const each of sockets) {
          sent++;
          each.write(request);
        }
      });
      socket.setNoDelay(true);
      socket.on('error', reject);
      sockets.push(socket);
      let rest;
      socket.on('data', (chunk) => {
        const data = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
        rest = undefined;
        const end = data.indexOf(END);
        const head = end < 0 ? undefined : data.latin1Slice(0, end);
        if (head === undefined || data.length < end + 4 + lengthOf(head)) rest = data;
        else answered(socket);
      });
    }
  });
}

function lengthOf(head) {
  const fields = {};
  let at = head.indexOf('\r\n');
  while (at >= 0 && at < head.length) {
    const next = head.indexOf('\r\n', at + 2);
    const end = next < 0 ? head.length : next;
    const colon = head.indexOf(':', at);
    fields[head.slice(at + 2, colon).toLowerCase()] = head.slice(colon + 1, end).trim();
    at = next;
  }
  return Number(fields['content-length']);
}

/** A download by a bare socket's 'data' events: what is usually called the limit. */
export function rawDownload(port, size) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    let bytes = 0;
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET /big/${size} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`),
    );
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes < size) return;
      socket.destroy();
      resolve({ amount: size / 1e6, seconds: (performance.now() - started) / 1000 });
    });
  });
}
