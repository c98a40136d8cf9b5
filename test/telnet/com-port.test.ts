import { afterEach, describe, expect, test } from 'vitest';
import { ClosedError, UnsupportedError, UsageError } from '../../src/errors.ts';
import { ExpectTimeout, TelnetClient } from '../../src/telnet/index.ts';
import { type ComPortMessage, decodeComPort, encodeComPort, parseControl } from '../../src/telnet/com-port-codec.ts';
import { type FakeComPort, type FakeTelnetOptions, fakeTelnet } from '../../src/testing/index.ts';
import { byteServer, raw } from './byte-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

const messages: [string, ComPortMessage, string, string][] = [
  ['a signature', { command: 'signature', text: 'box 1' }, '\x00box 1', '\x64box 1'],
  ['a signature that is not ASCII', { command: 'signature', text: 'é' }, '\x00\xc3\xa9', '\x64\xc3\xa9'],
  ['a question for it', { command: 'signature', text: '' }, '\x00', '\x64'],
  ['a rate', { command: 'baud-rate', value: 115_200 }, '\x01\x00\x01\xc2\x00', '\x65\x00\x01\xc2\x00'],
  ['the largest rate', { command: 'baud-rate', value: 2 ** 32 - 1 }, '\x01\xff\xff\xff\xff', '\x65\xff\xff\xff\xff'],
  ['data bits', { command: 'data-bits', value: 7 }, '\x02\x07', '\x66\x07'],
  ['parity', { command: 'parity', value: 3 }, '\x03\x03', '\x67\x03'],
  ['stop bits', { command: 'stop-bits', value: 2 }, '\x04\x02', '\x68\x02'],
  ['a control', { command: 'control', value: 8 }, '\x05\x08', '\x69\x08'],
  ['the line', { command: 'line-state', value: 16 }, '\x06\x10', '\x6a\x10'],
  ['the modem', { command: 'modem-state', value: 0xb0 }, '\x07\xb0', '\x6b\xb0'],
  ['suspend', { command: 'suspend' }, '\x08', '\x6c'],
  ['resume', { command: 'resume' }, '\x09', '\x6d'],
  ["the line's mask", { command: 'line-state-mask', value: 1 }, '\x0a\x01', '\x6e\x01'],
  ["the modem's mask", { command: 'modem-state-mask', value: 255 }, '\x0b\xff', '\x6f\xff'],
  ['purge', { command: 'purge', value: 3 }, '\x0c\x03', '\x70\x03'],
];

describe('COM-PORT messages', () => {
  test.each(messages)('%s', (_name, message, client, server) => {
    for (const [role, other, wire] of [
      ['client', 'server', client],
      ['server', 'client', server],
    ] as const) {
      expect(Buffer.from(encodeComPort(message, role)).toString('latin1')).toBe(wire);
      expect(decodeComPort(raw(wire), role)).toEqual(message);
      expect(decodeComPort(raw(wire), other)).toBeUndefined();
      // Cut short, it is no message, where it needs a value.
      if ('value' in message)
        for (let length = 0; length < wire.length; length++)
          expect(decodeComPort(raw(wire.slice(0, length)), role)).toBeUndefined();
    }
  });

  test.each(['', '\x0d\x01', '\x63', '\xff\x01', '\x71\x01'])('what nobody knows is nothing: %j', (wire) => {
    expect(decodeComPort(raw(wire), 'client')).toBeUndefined();
    expect(decodeComPort(raw(wire), 'server')).toBeUndefined();
  });

  test('every value of SET-CONTROL has one meaning', () => {
    const seen = Array.from({ length: 21 }, (_each, value) => parseControl(value));
    expect(new Set(seen.map((each) => JSON.stringify(each))).size).toBe(21);
    expect(seen[20]).toBeUndefined();
  });
});

const connected = async (
  options: FakeTelnetOptions['comPort'] = {},
): Promise<{ client: TelnetClient; port: FakeComPort }> => {
  const server = await fakeTelnet({ comPort: options, negotiate: { us: [], them: [] } });
  open.push(server);
  const client = await TelnetClient.connect(server.url, { comPort: true });
  open.push({ close: () => client.destroy() });
  await client.expect('$ ');
  return { client, port: server.terminals[0]?.comPort as FakeComPort };
};

describe('the serial port', () => {
  test('is asked and set, all at once', async () => {
    const { client, port } = await connected({ signature: 'bench 7' });
    expect(await client.comPort.signature()).toBe('bench 7');
    expect(await client.comPort.settings()).toEqual({
      baudRate: 9600,
      dataBits: 8,
      parity: 'none',
      stopBits: 1,
      flowControl: 'none',
      inboundFlowControl: 'none',
    });
    await client.comPort.configure({
      baudRate: 115_200,
      dataBits: 7,
      parity: 'even',
      stopBits: 1.5,
      flowControl: 'hardware',
      inboundFlowControl: 'dtr',
    });
    expect(port.settings).toMatchObject({
      'baud-rate': 115_200,
      'data-bits': 7,
      parity: 3,
      'stop-bits': 3,
      flow: 'hardware',
      'inbound-flow': 'dtr',
    });
    expect(await client.comPort.settings({ fields: ['stopBits', 'parity'] })).toEqual({
      stopBits: 1.5,
      parity: 'even',
    });
    expect(client.options.us).toEqual(expect.arrayContaining(['COM-PORT', 'BINARY']));
  });

  test('break, DTR and RTS', async () => {
    const { client, port } = await connected();
    await client.comPort.setLines({ dtr: false, rts: false });
    expect(await client.comPort.lines()).toEqual({ break: false, dtr: false, rts: false });
    await client.comPort.setLines({ break: true });
    expect(port.settings['break']).toBe('on');
    await client.comPort.sendBreak({ durationMs: 1 });
    expect(port.settings['break']).toBe('off');
  });

  test('an abort in the middle of a break ends the break', async () => {
    const { client, port } = await connected();
    const controller = new AbortController();
    const sent = client.comPort.sendBreak({ durationMs: 50_000, signal: controller.signal });
    while (port.settings['break'] !== 'on') await client.timingMark();
    controller.abort(new Error('enough'));
    await expect(sent).rejects.toThrow('enough');
    expect(port.settings['break']).toBe('off');
  });

  test('purge', async () => {
    const { client, port } = await connected();
    for (const which of ['receive', 'transmit', 'both'] as const) await client.comPort.purge(which);
    expect(port.purged).toEqual(['receive', 'transmit', 'both']);
  });

  test('the lines that are watched are told, and no others', async () => {
    const { client, port } = await connected();
    const told: unknown[] = [];
    client.on('lineState', (bits) => told.push(['line', ...bits]));
    const off = client.on('modemState', (bits) => told.push(['modem', ...bits]));
    port.setLineState(['break-detect']);
    await client.comPort.watchLine(['break-detect', 'framing-error']);
    await client.comPort.watchModem(['cts', 'dsr']);
    await client.timingMark();
    port.setLineState(['break-detect', 'data-ready']);
    port.setModemState(['cd']);
    port.setModemState(['cd', 'cts']);
    await client.timingMark();
    off();
    port.setModemState([]);
    await client.timingMark();
    expect(told).toEqual([['modem'], ['line', 'break-detect'], ['modem', 'cts']]);
  });

  test('each side holds the other back', async () => {
    const { client, port } = await connected();
    await client.comPort.suspend();
    await client.writeLine('echo later');
    await client.timingMark();
    expect(client.readVeryEager()).toBe('');
    await client.comPort.resume();
    expect((await client.expect('$ ')).before).toContain('later');
    port.suspendClient(true);
    await client.timingMark();
    let written = false;
    const writing = client.writeLine('echo held').then(() => (written = true));
    await expect(client.writeLine('never', { timeoutMs: 20 })).rejects.toThrow(ExpectTimeout);
    await client.timingMark();
    expect(written).toBe(false);
    port.suspendClient(false);
    await writing;
    expect((await client.expect('$ ')).before).toContain('held');
  });

  test('a rate that the port does not take is an error that says what it kept', async () => {
    const { client } = await connected({ baudRates: [9600, 19_200] });
    const error = await client.comPort.configure({ baudRate: 300 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(String(error)).toContain('does not set baudRate to 300; it says 9600');
    await client.comPort.configure({ baudRate: 19_200 });
  });

  test.each([
    [{ baudRate: 0 }],
    [{ baudRate: 1.5 }],
    [{ baudRate: '9600' }],
    [{ dataBits: 9 }],
    [{ parity: 'both' }],
    [{ stopBits: 3 }],
    [{ flowControl: 'dtr' }],
    [{ speed: 1 }],
  ])('UsageError before a byte leaves: %j', async (settings) => {
    const { client } = await connected();
    await expect(client.comPort.configure(settings as object)).rejects.toThrow(UsageError);
  });

  test('a server without one, and a client that did not ask for it', async () => {
    const server = await fakeTelnet();
    open.push(server);
    await using client = await TelnetClient.connect(server.url, { comPort: true });
    await expect(client.comPort.signature()).rejects.toThrow(UnsupportedError);
    await using other = await TelnetClient.connect(server.url);
    await expect(other.comPort.signature()).rejects.toThrow(UsageError);
    await expect(TelnetClient.connect(server.url, { comPort: true, mode: 'raw' })).rejects.toThrow(UsageError);
  });
});

const DO_COM_PORT = '\xff\xfd\x2c';
const hostile = async (answer: string): Promise<TelnetClient> => {
  const server = await byteServer((socket) => {
    socket.write(raw(DO_COM_PORT));
    socket.on('data', (chunk) => {
      if (chunk.includes('\xff\xfa\x2c', 0, 'latin1')) socket.write(raw(answer));
    });
  });
  open.push(server);
  const client = await TelnetClient.connect(server.url, { comPort: true });
  open.push({ close: () => client.destroy() });
  return client;
};

describe('servers that answer badly', () => {
  test('not at all: the call ends in time, and the session goes on', async () => {
    const client = await hostile('x');
    await expect(client.comPort.signature({ timeoutMs: 50 })).rejects.toThrow(ExpectTimeout);
    expect(await client.readSome()).toBe('x');
  });

  test('late: the answer goes to the call that asked', async () => {
    const server = await byteServer((socket) => {
      const answers = ['', '\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0\xff\xfa\x2c\x65\x00\x00\x4b\x00\xff\xf0'];
      socket.write(raw(DO_COM_PORT));
      socket.on('data', (chunk) => {
        if (chunk.includes('\xff\xfa\x2c', 0, 'latin1')) socket.write(raw(answers.shift() ?? ''));
      });
    });
    open.push(server);
    await using client = await TelnetClient.connect(server.url, { comPort: true });
    const fields = ['baudRate'] as const;
    await expect(client.comPort.settings({ fields, timeoutMs: 50 })).rejects.toThrow(ExpectTimeout);
    expect(await client.comPort.settings({ fields })).toEqual({ baudRate: 19_200 });
  });

  test.each([
    ['cut short', '\xff\xfa\x2c\x65\x00\xff\xf0'],
    ['empty', '\xff\xfa\x2c\xff\xf0'],
    ['of another kind, and unknown', '\xff\xfa\x2c\x66\x08\xff\xf0\xff\xfa\x2c\xc8\xff\xf0'],
    ['echoed', '\xff\xfa\x2c\x01\x00\x00\x00\x00\xff\xf0'],
  ])('%s', async (_name, answer) => {
    const client = await hostile(answer);
    await expect(client.comPort.settings({ fields: ['baudRate'], timeoutMs: 50 })).rejects.toThrow(ExpectTimeout);
  });

  test('gone: the call ends with the session', async () => {
    const server = await byteServer((socket) => {
      socket.write(raw(DO_COM_PORT));
      socket.on('data', (chunk) => {
        if (chunk.includes('\xff\xfa\x2c', 0, 'latin1')) socket.end();
      });
    });
    open.push(server);
    await using client = await TelnetClient.connect(server.url, { comPort: true });
    await expect(client.comPort.signature()).rejects.toThrow(ClosedError);
  });

  test('behind more output than anybody reads: the call does not hang on it', async () => {
    const client = await hostile(`${'x'.repeat(3 * 1024 * 1024)}\xff\xfa\x2c\x64far\xff\xf0`);
    expect(await client.comPort.signature()).toBe('far');
  });
});
