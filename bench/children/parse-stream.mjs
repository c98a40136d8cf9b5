// A large message streamed from a file, every body decoded, in a process that does nothing else.
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { peakRssMb } from '../peak-rss.mjs';

const [, , subject, path] = process.argv;
let decoded = 0;
let started;
if (subject === 'postwire') {
  const { readParts } = await import('../../dist/mime/index.js');
  started = performance.now();
  for await (const part of readParts(createReadStream(path)))
    for await (const chunk of part.stream()) decoded += chunk.length;
} else if (subject === 'mailparser') {
  const { MailParser } = await import('mailparser');
  started = performance.now();
  await new Promise((resolve, reject) => {
    const parser = new MailParser();
    parser.on('data', (data) => {
      if (data.type !== 'attachment') return;
      data.content.on('data', (chunk) => (decoded += chunk.length));
      data.content.on('end', () => data.release());
    });
    parser.on('end', resolve);
    parser.on('error', reject);
    createReadStream(path).pipe(parser);
  });
} else {
  const { parse } = await import('../limits/parse.mjs');
  started = performance.now();
  for (const { content } of parse(readFileSync(path)).parts) decoded += content.length;
}
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ amount: statSync(path).size / 1e6, seconds, rssMb: peakRssMb(), decoded }));
