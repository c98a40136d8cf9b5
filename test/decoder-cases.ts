import { expect } from 'vitest';
import { LimitError } from '../src/errors.ts';
import { ByteQueue, type Decoder } from '../src/wire/byte-queue.ts';
import { encodeText } from '../src/wire/bytes.ts';

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Runs a decoder over chunks and collects what it yields; what is left in the queue is returned too. */
export function decodeAll<E>(decode: Decoder<E>, chunks: readonly Uint8Array[]): { events: E[]; rest: string } {
  const queue = new ByteQueue();
  const events: E[] = [];
  for (const chunk of chunks) {
    queue.push(Uint8Array.from(chunk));
    for (let event = decode(queue); event !== undefined; event = decode(queue)) events.push(event);
  }
  return { events, rest: textOf(queue.peek()) };
}

/** Every way to cut the bytes in two, byte by byte, and whole. */
export function* deliveries(wire: Uint8Array): Iterable<Uint8Array[]> {
  yield [wire];
  for (let at = 1; at < wire.length; at++) yield [wire.subarray(0, at), wire.subarray(at)];
  yield Array.from(wire, (byte) => Uint8Array.of(byte));
}

/**
 * One event's bytes: decoded whole, at every split, byte by byte; trailing bytes stay; every proper prefix asks for more.
 */
export function assertDecodes<E>(
  decoder: () => Decoder<E>,
  wire: string | Uint8Array,
  event: E,
  options: { prefixes?: boolean } = {},
): void {
  const bytes = typeof wire === 'string' ? bytesOf(wire) : wire;
  for (const chunks of deliveries(bytes)) expect(decodeAll(decoder(), chunks)).toEqual({ events: [event], rest: '' });
  const queue = new ByteQueue();
  queue.push(Buffer.concat([bytes, bytesOf('trailing')]));
  expect(decoder()(queue)).toEqual(event);
  expect(textOf(queue.peek())).toBe('trailing');
  if (options.prefixes !== false) {
    for (let at = 0; at < bytes.length; at++) {
      const short = new ByteQueue();
      short.push(bytes.subarray(0, at));
      expect(decoder()(short), `prefix of ${at} bytes`).toBeUndefined();
    }
  }
}

export function assertEncodes<V>(encode: (value: V) => Uint8Array, value: V, wire: string): void {
  expect(textOf(encode(value))).toBe(textOf(encodeText(wire)));
}

/** The cap holds whole, byte by byte, and with the last byte alone. */
export function assertLimit<E>(decoder: () => Decoder<E>, wire: string): void {
  const bytes = bytesOf(wire);
  for (const chunks of [
    [bytes],
    Array.from(bytes, (byte) => Uint8Array.of(byte)),
    [bytes.subarray(0, -1), bytes.subarray(-1)],
  ]) {
    expect(() => decodeAll(decoder(), chunks)).toThrow(LimitError);
  }
}
