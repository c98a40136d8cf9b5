// One large file over FTP in a process that does nothing else: subject, 'down' or 'up' or 'up-path', port, bytes, path.
import { Readable, Writable } from 'node:stream';
import { peakRssMb } from '../peak-rss.mjs';

const [subject, mode, port, size, path] = process.argv.slice(2);
const total = Number(size);
const chunk = Buffer.alloc(1 << 18);

async function* zeros() {
  for (let left = total; left > 0; left -= chunk.length) yield left >= chunk.length ? chunk : chunk.subarray(0, left);
}

const subjects = {
  async postwire() {
    const { FtpClient } = await import('../../dist/ftp/index.js');
    const client = await FtpClient.connect(`ftp://127.0.0.1:${port}?tls=none`);
    let bytes = 0;
    const started = performance.now();
    if (mode === 'down')
      await (
        await client.read('big.bin')
      ).forEach((each) => {
        bytes += each.length;
      });
    else bytes = (await client.upload(mode === 'up' ? zeros() : path, 'up/big.bin')).bytes;
    const seconds = (performance.now() - started) / 1000;
    await client.quit();
    return { bytes, seconds };
  },
  async 'basic-ftp'() {
    const { Client } = await import('basic-ftp');
    const client = new Client(30_000);
    await client.access({ host: '127.0.0.1', port: Number(port), secure: false });
    let bytes = 0;
    const started = performance.now();
    if (mode === 'down')
      await client.downloadTo(
        new Writable({
          highWaterMark: 1 << 20,
          write(each, _encoding, done) {
            bytes += each.length;
            done();
          },
        }),
        'big.bin',
      );
    else {
      await client.uploadFrom(mode === 'up' ? Readable.from(zeros(), { objectMode: false }) : path, 'up/big.bin');
      bytes = total;
    }
    const seconds = (performance.now() - started) / 1000;
    client.close();
    return { bytes, seconds };
  },
  async limit() {
    const { download, ftp, upload } = await import('../limits/ftp.mjs');
    const client = await ftp(Number(port));
    const started = performance.now();
    let bytes = total;
    if (mode === 'down') bytes = await download(client, 'big.bin');
    else await upload(client, 'up/big.bin', total, chunk);
    const seconds = (performance.now() - started) / 1000;
    client.end();
    return { bytes, seconds };
  },
};

const { bytes, seconds } = await subjects[subject]();
if (bytes !== total) throw new Error(`${bytes} bytes of ${total}`);
console.log(JSON.stringify({ amount: bytes / 1e6, seconds, rssMb: peakRssMb() }));
process.exit(0);
