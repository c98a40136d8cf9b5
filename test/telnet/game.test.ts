import { afterEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { type GmcpMessage, TelnetClient } from '../../src/telnet/index.ts';
import { decodeGmcp, encodeGmcp } from '../../src/telnet/options/gmcp.ts';
import { decodeMssp, encodeMssp } from '../../src/telnet/options/mssp.ts';
import { fakeTelnet } from '../../src/testing/index.ts';
import { byteServer, raw } from './byte-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

test.each([
  ['Core.Ping', undefined, 'Core.Ping'],
  ['Char.Vitals', { hp: 1, name: 'Zoë' }, 'Char.Vitals {"hp":1,"name":"Zoë"}'],
  ['A', null, 'A null'],
  ['A.b-c_d', ['\xff', 2], 'A.b-c_d ["\xff",2]'],
])('GMCP: %s %j', (name, data, wire) => {
  expect(Buffer.from(encodeGmcp(name, data)).toString()).toBe(wire);
  expect(decodeGmcp(Buffer.from(wire))).toEqual({ name, data });
});

test.each(['', ' ', '{}', 'A {', 'A undefined', 'A 1 2', 'x'.repeat(257), '\0 1'])('GMCP: %j is no message', (wire) => {
  expect(decodeGmcp(Buffer.from(wire))).toBeUndefined();
});

test('MSSP, both ways, and what is odd', () => {
  const status: [string, string[]][] = [
    ['NAME', ['Wörld']],
    ['PORT', ['23', '4000']],
    ['UPTIME', []],
  ];
  expect([...decodeMssp(encodeMssp(status))]).toEqual(status);
  expect([...decodeMssp(raw('junk\x02lost\x01A\x02\x021\x01A\x022\x01__proto__\x02x'))]).toEqual([
    ['A', ['', '1', '2']],
    ['__proto__', ['x']],
  ]);
  expect(decodeMssp(raw('')).size).toBe(0);
});

describe('a game server', () => {
  test('tells and hears', async () => {
    const server = await fakeTelnet({
      gmcp: { 'Char.Name': { name: 'ann' } },
      mssp: { NAME: ['Fake'], PORT: ['1', '2'] },
    });
    open.push(server);
    await using client = await TelnetClient.connect(server.url, { gmcp: true, mssp: true });
    const told: GmcpMessage[] = [];
    client.on('gmcp', (message) => told.push(message));
    const status = new Promise<ReadonlyMap<string, readonly string[]>>((resolve) => void client.on('mssp', resolve));
    expect([...(await status)]).toEqual([
      ['NAME', ['Fake']],
      ['PORT', ['1', '2']],
    ]);
    await client.timingMark();
    expect(told).toEqual([{ name: 'Char.Name', data: { name: 'ann' } }]);
    await client.sendGmcp('Core.Hello', { client: 'postwire', byte: '\xff' });
    await client.sendGmcp('Core.Ping');
    await client.timingMark();
    expect(server.terminals[0]?.gmcp).toEqual([
      { name: 'Core.Hello', data: { client: 'postwire', byte: '\xff' } },
      { name: 'Core.Ping', data: undefined },
    ]);
    await expect(client.sendGmcp('two words')).rejects.toThrow(UsageError);
  });

  test('that was not asked for is refused, and what it sends is nothing', async () => {
    const server = await fakeTelnet({ gmcp: { A: 1 }, mssp: { NAME: ['Fake'] } });
    open.push(server);
    await using client = await TelnetClient.connect(server.url);
    await client.expect('$ ');
    expect(client.options.them).toEqual(['ECHO', 'SGA']);
    await expect(client.sendGmcp('Core.Ping')).rejects.toThrow(UsageError);
  });

  test('a listener that throws ends the session with its error; one that answers every message is not held for a loop', async () => {
    const server = await byteServer((socket) => {
      socket.write(raw(`\xff\xfb\xc9${'\xff\xfa\xc9Ask 1\xff\xf0'.repeat(400)}done`));
    });
    open.push(server);
    await using client = await TelnetClient.connect(server.url, { gmcp: true });
    client.on('gmcp', () => void client.sendGmcp('Answer'));
    await client.expect('done');
    await client.write('#end');
    await server.until('#end');
    expect(server.received().split('Answer').length - 1).toBe(400);
    await using other = await TelnetClient.connect(server.url, { gmcp: true });
    other.on('gmcp', () => {
      throw new Error('a mistake');
    });
    expect((await other.closed).error?.message).toBe('a mistake');
  });
});
