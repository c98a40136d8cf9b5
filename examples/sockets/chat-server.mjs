// node examples/sockets/chat-server.mjs [PORT]: what one says, all others hear. Talk to it with telnet or nc. The first line is your name.
import { serve } from 'postwire/socket';

const people = new Map();
const tell = (text, except) =>
  Promise.allSettled([...people.keys()].filter((client) => client !== except).map((client) => client.writeLine(text)));

const server = await serve({
  protocol: 'tcp',
  address: { port: process.argv[2] ?? 0 },
  limits: { lineBytes: 1000 },
  maxConnectionsPerPeer: 20,
  async handler(client) {
    await client.writeLine('What is your name?');
    const name = (await client.readLine())?.replace(/[^\p{L}\p{N} ]/gu, '').slice(0, 20);
    if (!name) return;
    people.set(client, name);
    try {
      await tell(`* ${name} is here, among ${people.size}`);
      for await (const line of client) {
        if (line === '/quit') break;
        await tell(`<${name}> ${line.replace(/\p{Cc}/gu, '')}`, client);
      }
    } finally {
      people.delete(client);
      await tell(`* ${name} has gone`);
    }
  },
});
console.log(`listening on ${server.port}`);
