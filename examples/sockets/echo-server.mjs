// node examples/sockets/echo-server.mjs [PORT]: many clients at once, each with a handler of its own. `stop` on standard input drains it.
import { serve } from 'postwire/socket';

class Echo {
  constructor(client) {
    this.client = client;
  }
  setup() {
    console.log(`${this.client.address.port} came`);
  }
  async handle() {
    for (let bytes = await this.client.read(1024); bytes.length > 0; bytes = await this.client.read(1024))
      await this.client.write(bytes);
  }
  finish() {
    console.log(`${this.client.address.port} went`);
  }
}

const server = await serve({
  protocol: 'tcp',
  address: { port: process.argv[2] ?? 0 },
  handler: Echo,
  maxConnections: 100,
  timeouts: { idleMs: 60_000 },
  onError: (error) => console.error(error.message),
});
console.log(`listening on ${server.port}`);
await new Promise((resolve) => process.stdin.once('data', resolve));
console.log(await server.drain({ deadlineMs: 1000 }));
process.exit(0);
