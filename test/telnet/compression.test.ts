import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { LimitError, PostwireError, ProtocolError } from '../../src/errors.ts';
import { Connection, memoryPair } from '../../src/socket/index.ts';
import { TelnetClient, type TelnetOptions } from '../../src/telnet/index.ts';
import { TelnetReader, TelnetWriter } from '../../src/telnet/compression.ts';
import { fakeTelnet } from '../../src/testing/index.ts';
import { anyBytes } from '../../src/wire/line.ts';
import { byteServer, raw } from './byte-server.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

const WILL_MCCP2 = '\xff\xfb\x56';
const BEGIN = '\xff\xfa\x56\xff\xf0';
/** A server that compresses: what it sends when the client has agreed. */
const compressing = async (
  bytes: Buffer,
  options: TelnetOptions = {},
  pieceBytes = 1e9,
  hold = false,
): Promise<TelnetClient> => {
  const server = await byteServer((socket) => {
    socket.setNoDelay(true);
    socket.write(raw(WILL_MCCP2));
    socket.once('data', () => {
      const next = (at: number): void => {
        if (at >= bytes.length && !hold) socket.end();
        else if (at < bytes.length)
          socket.write(bytes.subarray(at, at + pieceBytes), () => setImmediate(next, at + pieceBytes));
      };
      next(0);
    });
  });
  open.push(server);
  const client = await TelnetClient.connect(server.url, { compression: true, encoding: 'latin1', ...options });
  open.push({ close: () => client.destroy() });
  return client;
};

describe('MCCP2', () => {
  test.each([1, 7, 1e9])('begins in mid-data and ends in mid-data, in pieces of %d', async (pieceBytes) => {
    const stream = deflateSync(raw('in\xff\xff\xff\xfb\x01side'));
    const bytes = Buffer.concat([raw(`before${BEGIN}`), stream, raw(`after${BEGIN}`), stream, raw('end')]);
    const client = await compressing(bytes, {}, pieceBytes);
    expect(await client.readAll()).toBe('beforein\xffsideafterin\xffsideend');
    expect(client.options.them).toEqual(['MCCP2', 'ECHO']);
  });

  test('a stream that the server cuts off gives what came of it', async () => {
    const stream = deflateSync(raw('cut'.repeat(10)));
    const client = await compressing(Buffer.concat([raw(BEGIN), stream.subarray(0, stream.length - 4)]));
    expect(await client.readAll()).toBe('cut'.repeat(10));
  });

  test('begin within what is compressed already is nothing', async () => {
    const client = await compressing(Buffer.concat([raw(BEGIN), deflateSync(raw(`a${BEGIN}b`)), raw('c')]));
    expect(await client.readAll()).toBe('abc');
  });

  test('what is no compressed data ends the session with an error that says so', async () => {
    const client = await compressing(raw(`${BEGIN}plain text`), {}, 1e9, true);
    const { error } = await client.closed;
    expect(error).toBeInstanceOf(ProtocolError);
    expect((error as PostwireError).reason).toBe('DEFLATE');
  });

  test('not asked for, it is refused, and begun all the same it is no compression', async () => {
    const client = await compressing(raw(`${BEGIN}plain`), { compression: false });
    expect(await client.readAll()).toBe('plain');
    expect(client.options.them).toEqual([]);
  });

  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024, 'x'), { level: 9 });

  test('TN-07: a bomb: what nobody reads is not made; what is read ends with a LimitError', async () => {
    const client = await compressing(Buffer.concat([raw(BEGIN), bomb]), {}, 1e9, true);
    await client.expect('xxx');
    expect(client.readVeryEager().length).toBeLessThan(4 * 1024 * 1024);
    let length = 0;
    await expect(
      (async () => {
        for (let text = await client.readSome(); text !== ''; text = await client.readSome()) length += text.length;
      })(),
    ).rejects.toThrow(LimitError);
    expect(length).toBeGreaterThan(14 * 1024 * 1024);
    expect(length).toBeLessThan(18 * 1024 * 1024);
  });

  test('TN-07: a bomb of commands, which nobody reads, meets the same cap', async () => {
    const commands = deflateSync(Buffer.alloc(64 * 1024 * 1024, raw('\xff\xf1')), { level: 9 });
    const client = await compressing(Buffer.concat([raw(BEGIN), commands]), {}, 1e9, true);
    expect((await client.closed).error).toBeInstanceOf(LimitError);
  });

  test('a bomb that was asked for is read to its end', async () => {
    const client = await compressing(Buffer.concat([raw(BEGIN), bomb]), { maxDecompressionRatio: 2000 });
    let length = 0;
    for (let text = await client.readSome(); text !== ''; text = await client.readSome()) length += text.length;
    expect(length).toBe(64 * 1024 * 1024);
  });
});

describe('MCCP2 and MCCP3 with the fake', () => {
  test.each(['server', 'client', 'both'] as const)('%s', async (compression) => {
    const text = `x${'yz'.repeat(3000)}`;
    const server = await fakeTelnet({ compression, users: { ann: 'pw' }, commands: { long: `${text}\r\n` } });
    open.push(server);
    await using client = await TelnetClient.connect(server.url, { compression: true, terminalTypes: ['vt100'] });
    await client.login({ user: 'ann', password: 'pw', prompt: '$ ' });
    expect((await client.exec('long', { prompt: '$ ' })).output).toBe(`${text}\r\n`);
    expect(client.options.them.filter((name) => name.startsWith('MCCP'))).toEqual(
      { server: ['MCCP2'], client: ['MCCP3'], both: ['MCCP2', 'MCCP3'] }[compression],
    );
    if (compression === 'server') return;
    // Ours can be ended, and what follows is plain.
    expect(await client.disable('them', 'MCCP3')).toBe(false);
    expect((await client.exec('echo plain', { prompt: '$ ' })).output).toBe('plain\r\n');
  });
});

test('whatever is written, compressed or not, is read as it was written', async () => {
  const step = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom('large' as const, 'switch' as const));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const [near, far] = memoryPair().map((transport) => new Connection(transport)) as [Connection, Connection];
      const writer = new TelnetWriter(near);
      // The first byte behind a switch says what it is: as a subnegotiation would.
      const reader = new TelnetReader<Uint8Array | 'end'>(
        far,
        (queue) => {
          if (queue.at(0) === 1) return queue.take(1);
          if (queue.at(0) === 2 && queue.length >= 5) {
            const [, a = 0, b = 0, c = 0, d = 0] = queue.peek(5);
            const length = ((a * 256 + b) * 256 + c) * 256 + d;
            return queue.length >= 5 + length ? queue.take(5 + length).subarray(5) : undefined;
          }
          return queue.ended ? 'end' : undefined;
        },
        2000,
      );
      const framed = (bytes: Uint8Array): Buffer => {
        const head = Buffer.alloc(5);
        head[0] = 2;
        head.writeUInt32BE(bytes.length, 1);
        return Buffer.concat([head, bytes]);
      };
      const wanted: string[] = [];
      const got: string[] = [];
      const reading = (async () => {
        for (
          let event = reader.tryNext() ?? (await reader.next({}));
          event !== 'end';
          event = reader.tryNext() ?? (await reader.next({}))
        )
          if (event.length === 1 && event[0] === 1) reader.inflate();
          else got.push(Buffer.from(event).toString('latin1'));
      })();
      const writes: Promise<void>[] = [];
      let on = false;
      for (const each of steps) {
        if (each === 'switch') {
          on = !on;
          if (on) writes.push(writer.write([Uint8Array.of(1)]));
          writer.deflate(on);
          continue;
        }
        const bytes =
          each === 'large' ? Buffer.from(Array.from({ length: 200_000 }, (_x, at) => (at * at * 31) >> 7)) : each;
        // One byte alone would be taken for the switch.
        const body = bytes.length === 1 ? Uint8Array.of(0, 0) : bytes;
        wanted.push(Buffer.from(body).toString('latin1'));
        writes.push(writer.write([framed(body)]));
      }
      await Promise.all(writes);
      await writer.flushed();
      await near.halfClose();
      await reading;
      expect(got).toEqual(wanted);
      reader.end();
      writer.end();
      far.destroy();
      near.destroy();
    }),
    { numRuns: 20 },
  );
});

test('a writer that is ended in the middle keeps nobody waiting', async () => {
  const [near, far] = memoryPair().map((transport) => new Connection(transport)) as [Connection, Connection];
  const writer = new TelnetWriter(near);
  writer.deflate(true);
  const written = writer.write([Buffer.alloc(1024 * 1024, 'x')]);
  writer.end();
  near.destroy();
  await expect(written).rejects.toThrow('closed');
  far.destroy();
});

test('anyBytes through a reader that never inflates', async () => {
  const [near, far] = memoryPair().map((transport) => new Connection(transport)) as [Connection, Connection];
  const reader = new TelnetReader(far, anyBytes, 250);
  await near.write([raw('hello')]);
  expect(Buffer.from(await reader.next({})).toString()).toBe('hello');
  near.destroy();
  await expect(reader.next({})).rejects.toThrow(PostwireError);
});
