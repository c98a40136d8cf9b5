// A large file streamed through a builder into a counting sink, in a process that does nothing else.
import { createReadStream, statSync } from 'node:fs';
import { Transform, Writable } from 'node:stream';
import { peakRssMb } from '../peak-rss.mjs';
import { pipeline } from 'node:stream/promises';

const [, , subject, path] = process.argv;
let written = 0;
const sink = new Writable({
  highWaterMark: 65_536,
  write(chunk, _encoding, done) {
    written += chunk.length;
    done();
  },
});
const fields = { from: 'a@b.example', to: 'd@e.example', subject: 'x', text: 'hello' };
let started = performance.now();
if (subject === 'postwire') {
  const { compose } = await import('../../dist/mime/index.js');
  started = performance.now();
  await pipeline(compose({ ...fields, attachments: [{ file: path }] }).stream(), sink);
} else if (subject === 'nodemailer') {
  const { default: Composer } = await import('nodemailer/lib/mail-composer/index.js');
  started = performance.now();
  await pipeline(
    new Composer({ ...fields, attachments: [{ filename: 'big.bin', path }] }).compile().createReadStream(),
    sink,
  );
} else if (subject === 'emailjs') {
  const { Message } = await import('emailjs');
  started = performance.now();
  await pipeline(
    new Message({ ...fields, attachment: [{ path, name: 'big.bin', type: 'application/octet-stream' }] }).stream(),
    sink,
  );
} else {
  // Lean: whole lines of a file stream, encoded by one native call each.
  const lines = (bytes) => {
    const characters = Math.ceil(bytes.length / 3) * 4;
    const count = Math.ceil(characters / 76);
    const out = Buffer.allocUnsafe(characters + 2 * count);
    let source = 2 * count;
    out.latin1Write(bytes.base64Slice(0, bytes.length), source);
    let at = 0;
    while (source < out.length) {
      const end = Math.min(source + 76, out.length);
      out.copyWithin(at, source, end);
      at += end - source;
      source = end;
      out[at++] = 13;
      out[at++] = 10;
    }
    return out;
  };
  let rest = Buffer.alloc(0);
  const encode = new Transform({
    transform(chunk, _encoding, done) {
      const all = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      const whole = all.length - (all.length % 57);
      rest = all.subarray(whole);
      done(null, lines(all.subarray(0, whole)));
    },
    flush(done) {
      done(null, lines(rest));
    },
  });
  await pipeline(createReadStream(path, { highWaterMark: 57 * 1150 }), encode, sink);
}
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ amount: statSync(path).size / 1e6, seconds, rssMb: peakRssMb(), written }));
