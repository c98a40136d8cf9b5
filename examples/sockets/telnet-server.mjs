// node examples/sockets/telnet-server.mjs [PORT]: a server for people with a telnet program. It answers a few commands, line by line.
import { serve } from 'postwire/socket';

const commands = {
  help: () => `commands: ${Object.keys(commands).join(', ')}, quit`,
  time: () => new Date().toTimeString(),
  uptime: () => `${Math.round(process.uptime())} s`,
  whoami: (client) => `${client.address.host}, port ${client.address.port}`,
};

const server = await serve({
  protocol: 'tcp',
  address: { port: process.argv[2] ?? 0 },
  limits: { lineBytes: 512 },
  timeouts: { idleMs: 300_000 },
  async handler(client) {
    await client.writeLine('Welcome. Type help.');
    await client.write('> ');
    for await (const line of client) {
      // What telnet programs negotiate is no part of the line: IAC, a verb, an option.
      const word = line.replace(/\u00ff[\u00fb-\u00fe]./g, '').trim();
      if (word === 'quit') return client.writeLine('Bye.');
      const command = Object.hasOwn(commands, word) ? commands[word] : () => `I do not know ${JSON.stringify(word)}.`;
      await client.writeLine(command(client));
      await client.write('> ');
    }
  },
});
console.log(`listening on ${server.port}`);
