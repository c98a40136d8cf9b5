import nodemailerComposer from 'nodemailer/lib/mail-composer/index.js';
import * as emailjs from 'emailjs';
import { compose } from '../dist/mime/index.js';
import { binary10mb, head, html24kb, sparseFile, text12kb, text2kb } from './data.mjs';
import { child, compare, here, repeatFor } from './harness.mjs';
import { build } from './limits/build.mjs';

const content = {
  '2kb': { text: text2kb },
  '60kb': { text: text12kb, html: html24kb },
  '10mb': { text: text2kb, file: binary10mb },
};

const nodemailer = ({ text, html, file }) =>
  new Promise((resolve, reject) =>
    new nodemailerComposer({ ...head, text, html, attachments: file && [{ filename: 'big.bin', content: file }] })
      .compile()
      .build((error, bytes) => (error ? reject(error) : resolve(bytes))),
  );
const withEmailjs = async ({ text, html, file }) => {
  const attachment = [
    ...(html ? [{ data: html, alternative: true }] : []),
    ...(file ? [{ data: file, name: 'big.bin', type: 'application/octet-stream' }] : []),
  ];
  return Buffer.from(
    await new emailjs.Message({
      from: head.from,
      to: head.to.join(', '),
      subject: head.subject,
      text,
      attachment,
    }).readAsync(),
  );
};
const postwire = ({ text, html, file }) =>
  compose({
    ...head,
    text,
    ...(html && { html }),
    ...(file && { attachments: [{ content: file, filename: 'big.bin' }] }),
  }).bytes();

export async function* run(wanted) {
  for (const [workload, draft] of Object.entries(content)) {
    if (!wanted(workload)) continue;
    const bulk = workload === '10mb';
    const measure = (action) =>
      repeatFor(Number(process.env.MS ?? 500), async () =>
        bulk ? (await action()).length / 1e6 : (await action(), 1),
      );
    yield await compare('mime-build', workload, bulk ? 'MB/s' : 'messages/s', {
      postwire: measure(() => postwire(draft)),
      nodemailer: measure(() => nodemailer(draft)),
      emailjs: measure(() => withEmailjs(draft)),
      limit: measure(async () => build(workload)),
    });
  }
  if (wanted('1gib')) {
    for (const [workload, size] of [
      ['1gib', 2 ** 30],
      ['100mib', 100 * 2 ** 20],
    ]) {
      const path = sparseFile(size);
      const fresh = (subject) => child(process.execPath, [`${here}children/build-stream.mjs`, subject, path]);
      yield await compare(
        'mime-build',
        workload,
        'MB/s',
        {
          postwire: fresh('postwire'),
          nodemailer: fresh('nodemailer'),
          emailjs: fresh('emailjs'),
          limit: fresh('limit'),
        },
        { warmUp: 0 },
      );
    }
  }
}
