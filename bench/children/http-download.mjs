// Downloads once by lent chunks, and prints seconds and peak memory.
import { HttpClient } from '../../dist/http/index.js';
import { peakRssMb } from '../peak-rss.mjs';

const [port, size] = process.argv.slice(2).map(Number);
const client = new HttpClient();
const started = performance.now();
const response = await client.request(`http://127.0.0.1:${port}/big/${size}`);
const bytes = await response.stream().forEach(() => undefined);
const seconds = (performance.now() - started) / 1000;
if (bytes !== size) throw new Error(`${bytes} bytes came`);
await client.close();
console.log(JSON.stringify({ amount: bytes / 1e6, seconds, rssMb: peakRssMb() }));
