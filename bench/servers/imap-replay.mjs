// Answers FETCH with the bytes of a file, and everything else with OK: what is left to measure is the client.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const canned = readFileSync(process.argv[2]);
const count = process.argv[3];
const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.write('* OK [CAPABILITY IMAP4rev1 LITERAL+] replay\r\n');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const [tag, first = '', second = ''] = text.slice(0, end).toUpperCase().split(' ');
      text = text.slice(end + 2);
      const verb = first === 'UID' ? second : first;
      if (verb === 'SELECT' || verb === 'EXAMINE')
        socket.write(
          `* FLAGS (\\Seen)\r\n* ${count} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT ${Number(count) + 1}] x\r\n`,
        );
      else if (verb === 'FETCH') socket.write(canned);
      else if (verb === 'LIST') socket.write('* LIST (\\HasNoChildren) "/" INBOX\r\n');
      else if (verb === 'CAPABILITY') socket.write('* CAPABILITY IMAP4rev1 LITERAL+\r\n');
      else if (verb === 'NAMESPACE') socket.write('* NAMESPACE (("" "/")) NIL NIL\r\n');
      socket.write(`${tag} OK done\r\n`);
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(`LISTEN ${server.address().port}`));
