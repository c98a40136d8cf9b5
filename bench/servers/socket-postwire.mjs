// Echo, sink, greeting and datagram echo as postwire serves them.
import { serve } from '../../dist/socket/index.js';

const echo = await serve({
  protocol: 'tcp',
  address: ':0',
  async handler(client) {
    for (let bytes = await client.read(); bytes.length > 0; bytes = await client.read()) await client.write(bytes);
  },
});
const sink = await serve({
  protocol: 'tcp',
  address: ':0',
  async handler(client) {
    for (let bytes = await client.read(); bytes.length > 0;) bytes = await client.read();
    await client.write('.');
  },
});
const greet = await serve({ protocol: 'tcp', address: ':0', handler: (client) => client.write('.') });
const udp = await serve({ protocol: 'udp', address: ':0', handler: (request) => request.reply(request.data) });
console.log(`LISTEN ${[echo, sink, greet, udp].map(({ port }) => port).join(' ')}`);
