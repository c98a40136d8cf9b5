import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { type LineMode, type SpecialCharacter, TelnetClient, type TelnetOptions } from '../../src/telnet/index.ts';
import { decodeSlc, encodeMode, encodeSlc, parseMode } from '../../src/telnet/linemode-codec.ts';
import { byteServer, raw } from './byte-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
const sub = (content: string): string => `\xff\xfa\x22${content.replaceAll('\xff', '\xff\xff')}\xff\xf0`;
const DO_LINEMODE = '\xff\xfd\x22';

/** What the client answers to the bytes, and what it tells. */
const answersTo = async (bytes: string, options: TelnetOptions = { linemode: true }) => {
  let mode: LineMode | undefined;
  let characters: readonly SpecialCharacter[] | undefined;
  const server = await byteServer((socket) => {
    socket.once('data', () => socket.write(raw(`${bytes}ready`)));
  });
  open.push(server);
  const client = await TelnetClient.connect(server.url, options);
  open.push({ close: () => client.destroy() });
  client.on('lineMode', (told) => (mode = told));
  client.on('specialCharacters', (told) => (characters = told));
  await client.write('go');
  await client.expect('ready');
  await client.write('#end');
  await server.until('#end');
  return { sent: server.received().slice(2, -4), mode, characters, client };
};

test('modes and triplets, both ways', () => {
  expect(parseMode(3)).toEqual({
    mode: { edit: true, trapSignals: true, softTab: false, literalEcho: false },
    ack: false,
  });
  expect(parseMode(28)?.ack).toBe(true);
  expect(parseMode(undefined)).toBeUndefined();
  expect([...encodeMode(0xff, true)]).toEqual([1, 31]);
  const triplets = [
    { code: 3, level: 2, flags: 96, byte: 3 },
    { code: 10, level: 0, flags: 128, byte: 255 },
  ];
  expect(decodeSlc(encodeSlc(triplets).subarray(1))).toEqual(triplets);
  expect(decodeSlc(raw('\x03\x02'))).toEqual([]);
});

describe('LINEMODE, as asked', () => {
  test('a mode is taken and answered once; an answer, and the same again, are not', async () => {
    const { sent, mode } = await answersTo(
      DO_LINEMODE + sub('\x01\x03') + sub('\x01\x03') + sub('\x01\x07') + sub('\x01') + sub('\x01\x02'),
    );
    expect(sent).toBe(`\xff\xfb\x22${sub('\x01\x07')}${sub('\x01\x06')}`);
    expect(mode).toEqual({ edit: false, trapSignals: true, softTab: false, literalEcho: false });
  });

  test('special characters are taken, and told', async () => {
    const { sent, characters } = await answersTo(
      DO_LINEMODE + sub('\x03\x03\x62\x03\x0a\x02\x7f\x0b\x00\x00\x08\x03\x00\xc8\x02\x01') + sub('\x03\x03\x62\x03'),
    );
    expect(sent).toBe(`\xff\xfb\x22${sub('\x03\x03\xe2\x03\x0a\x82\x7f\x0b\x80\x00\x08\x00\x00\xc8\x00\x00')}`);
    expect(characters).toEqual([
      { name: 'IP', byte: 3 },
      { name: 'EOF', byte: undefined },
      { name: 'EC', byte: 127 },
      { name: 'EL', byte: undefined },
    ]);
  });

  test('FORWARDMASK', async () => {
    const { sent } = await answersTo(DO_LINEMODE + sub(`\xfd\x02\xff\x00`) + sub('\xfe\x02'));
    expect(sent).toBe(`\xff\xfb\x22${sub('\xfb\x02')}${sub('\xfc\x02')}`);
  });

  test('TN-07: 10^4 triplets are answered with one for each function', async () => {
    const many = sub(`\x03${'\x03\x02\x03\x04\x02\x05\xc9\x02\x01'.repeat(1700)}`);
    const { sent } = await answersTo(DO_LINEMODE + many + many);
    expect(sent).toBe(`\xff\xfb\x22${sub('\x03\x03\x82\x03\x04\x82\x05\xc9\x00\x00')}`);
  });

  test('TN-01: modes and characters that change for ever are answered no more than 256 times', async () => {
    const { sent } = await answersTo(
      DO_LINEMODE +
        (sub('\x01\x03') + sub('\x01\x01') + sub('\x03\x03\x02\x03') + sub('\x03\x03\x02\x04')).repeat(5000),
    );
    expect(sent.length).toBeLessThan(4096);
  });

  test('TN-01: answers that are answered, as they are, come to nothing', async () => {
    const { sent } = await answersTo(
      DO_LINEMODE + (sub('\x01\x07') + sub('\x03\x03\x82\x03') + sub('\xfb\x02')).repeat(1000),
    );
    expect(sent).toBe('\xff\xfb\x22');
  });

  test('not asked for, it is refused', async () => {
    const { sent } = await answersTo(DO_LINEMODE + sub('\x01\x03'), {});
    expect(sent).toBe('\xff\xfc\x22');
  });
});

describe('what else the server may ask', () => {
  test.each([
    [
      'STATUS',
      {},
      '\xff\xfd\x05\xff\xfb\x01\xff\xfa\x05\x01\xff\xf0',
      '\xff\xfb\x05\xff\xfd\x01\xff\xfa\x05\x00\xfb\x05\xfd\x01\xff\xf0',
    ],
    [
      'TSPEED',
      { terminalSpeed: '38400,9600' },
      '\xff\xfd\x20\xff\xfa\x20\x01\xff\xf0',
      '\xff\xfb\x20\xff\xfa\x20\x0038400,9600\xff\xf0',
    ],
    [
      'XDISPLOC',
      { xDisplay: 'host:0.0' },
      '\xff\xfd\x23\xff\xfa\x23\x01\xff\xf0',
      '\xff\xfb\x23\xff\xfa\x23\x00host:0.0\xff\xf0',
    ],
    ['STATUS while it is off', {}, '\xff\xfa\x05\x01\xff\xf0', ''],
    ['IS, which is no question', { terminalSpeed: '1,2' }, '\xff\xfd\x20\xff\xfa\x20\x003,4\xff\xf0', '\xff\xfb\x20'],
    ['LFLOW', {}, '\xff\xfd\x21\xff\xfa\x21\x01\xff\xf0', '\xff\xfc\x21'],
  ])('%s', async (_name, options, asked, answer) => {
    expect((await answersTo(asked, options)).sent).toBe(answer);
  });
});

test('flow control: XOFF stops what is shown, XON or any key lets it go on, and neither is sent', async () => {
  const server = await byteServer((socket) => {
    socket.write(raw('\xff\xfd\x21'));
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (text.includes('a')) socket.write('shown later');
      if (text.includes('b')) socket.write(raw('\xff\xfa\x21\x02\xff\xf0 and more'));
      if (text.includes('c')) socket.write(' end');
    });
  });
  open.push(server);
  await using client = await TelnetClient.connect(server.url, { flowControl: true });
  await server.until('\xff\xfb\x21');
  const told = new Promise((resolve) => void client.on('flowControl', resolve));
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = '';
  const seen = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (shown.includes(text)) resolve();
      };
      output.on('data', look);
      look();
    });
  output.on('data', (chunk) => (shown += String(chunk)));
  const over = client.interact(input, output);
  input.write('\x13a');
  await server.until('a');
  expect(shown).toBe('');
  input.write('\x11');
  await seen('shown later');
  input.write('b');
  expect(await told).toEqual({ on: true, restartAny: true });
  await seen('and more');
  input.write('\x13');
  input.write('c');
  await seen(' end');
  input.end();
  expect(await over).toBe('input');
  expect(server.received()).toBe('\xff\xfb\x21abc');
});
