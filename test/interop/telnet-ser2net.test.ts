import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UnsupportedError } from '../../src/errors.ts';
import { ExpectTimeout, TelnetClient } from '../../src/telnet/index.ts';
import { run } from './process.ts';
import { type Ser2net, startSer2net } from './ser2net.ts';

let server: Ser2net;
beforeAll(async () => {
  server = await startSer2net();
}, 60_000);
afterAll(() => server?.close());

const connect = (): Promise<TelnetClient> =>
  TelnetClient.connect(`telnet://127.0.0.1:${server.port}`, { comPort: true, encoding: 'latin1' });
/** The device's terminal as `stty` shows it: what the server really did. */
const stty = async (): Promise<string> =>
  (await run('stty', ['-F', server.device.replace('device', 'near'), '-a'])).out;

describe('ser2net, RFC 2217', () => {
  test('the port is set, and the terminal behind the server is', async () => {
    await using client = await connect();
    expect(await client.comPort.signature()).toBe('ser2net');
    await client.comPort.configure({ baudRate: 19_200, stopBits: 2, flowControl: 'xon-xoff' });
    expect(await client.comPort.settings({ fields: ['baudRate', 'dataBits', 'parity', 'stopBits'] })).toMatchObject({
      baudRate: 19_200,
      stopBits: 2,
    });
    const shown = await stty();
    expect(shown).toContain('speed 19200 baud');
    expect(shown).toMatch(/ cstopb/);
    expect(shown).toMatch(/ ixon/);
    await client.comPort.configure({ baudRate: 9600, stopBits: 1, flowControl: 'none' });
    expect(await stty()).toContain('speed 9600 baud');
    expect(client.options.us).toEqual(expect.arrayContaining(['COM-PORT', 'BINARY']));
  });

  test('bytes go both ways as they are', async () => {
    await using client = await connect();
    await client.comPort.signature();
    const all = Array.from({ length: 256 }, (_each, code) => String.fromCharCode(code)).join('');
    const device = createReadStream(server.device);
    // When the terminal goes, its last read fails.
    device.on('error', () => {});
    const [sent] = await Promise.all([once(device, 'data'), client.write(Buffer.from(all, 'latin1'))]);
    let got = (sent[0] as Buffer).toString('latin1');
    while (got.length < 256) got += ((await once(device, 'data'))[0] as Buffer).toString('latin1');
    device.destroy();
    expect(got).toBe(all);
    const writer = createWriteStream(server.device);
    writer.end(Buffer.from(all, 'latin1'));
    expect(await client.readUntil('\xfe\xff')).toBe(all);
  });

  // A pseudo-terminal has no modem lines and no break: those are asked of the fake alone.
  test('purge is answered, masks are taken; a question without an answer ends in time and harms nothing', async () => {
    await using client = await connect();
    await client.comPort.purge('both');
    await client.comPort.watchLine(['break-detect']);
    await client.comPort.watchModem(['cts', 'dsr']);
    await expect(client.comPort.setLines({ dtr: false }, { timeoutMs: 300 })).rejects.toThrow(ExpectTimeout);
    await client.comPort.configure({ dataBits: 7, parity: 'even' });
    await client.comPort.configure({ dataBits: 8, parity: 'none' });
    await expect(client.comPort.configure({ inboundFlowControl: 'hardware' })).rejects.toThrow(UnsupportedError);
  });
});
