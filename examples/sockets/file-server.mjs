// node examples/sockets/file-server.mjs FOLDER [PORT]: sends the file that is asked for, behind its length: 8 bytes, or all ones where there is none.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { serve } from 'postwire/socket';

const [folder, port = 0] = process.argv.slice(2);
const server = await serve({
  protocol: 'tcp',
  address: { port },
  async handler(client) {
    const name = (await client.readLine()) ?? '';
    const length = Buffer.alloc(8, 0xff);
    // A name, and no path: nobody leaves the folder.
    if (!/^[\w-][\w.-]*$/.test(name)) return client.write(length);
    const file = await open(join(folder, name)).catch(() => undefined);
    if (file === undefined) return client.write(length);
    try {
      length.writeBigUInt64BE(BigInt((await file.stat()).size));
      await client.write(length);
      for await (const chunk of file.createReadStream({ autoClose: false })) await client.write(chunk);
    } finally {
      await file.close();
    }
  },
});
console.log(`listening on ${server.port}`);
