// SMTP_URL=smtp://me:password@mail.example.com:587 node examples/sockets/send-mail.mjs TO FILE FILE: a message with two attachments.
import { sendMail } from 'postwire';

const [to, ...files] = process.argv.slice(2);
const result = await sendMail(process.env.SMTP_URL, {
  from: 'me@example.com',
  to,
  subject: 'Two files',
  text: 'They are attached.',
  attachments: files.map((file) => ({ file })),
});
console.log(`accepted for ${result.accepted.length}, refused for ${result.refused.length}`);
