import { expect, test } from 'vitest';
import { ByteQueue } from '../../src/wire/byte-queue.ts';
import { bytesOf, textOf } from '../decoder-cases.ts';

test('takes what was pushed, in order, whatever the chunks', () => {
  const queue = new ByteQueue();
  for (const chunk of ['ab', '', 'c', 'defgh']) queue.push(bytesOf(chunk));
  expect(textOf(queue.take(3))).toBe('abc');
  queue.push(bytesOf('ij'));
  expect(queue.at(0)).toBe(100);
  expect(queue.at(7)).toBeUndefined();
  expect(textOf(queue.peek(2))).toBe('de');
  expect(textOf(queue.take(7))).toBe('defghij');
  expect(queue.length).toBe(0);
  expect(() => queue.take(1)).toThrow(RangeError);
});

test('bytes handed out are never overwritten', () => {
  const queue = new ByteQueue();
  const taken: Uint8Array[] = [];
  for (let round = 0; round < 500; round++) {
    queue.push(bytesOf(`${round},`));
    queue.push(bytesOf('xxxxxxx'));
    if (queue.length > 40) taken.push(queue.take(11));
  }
  const copy = taken.map(textOf);
  for (let round = 0; round < 500; round++) queue.push(bytesOf('zzzzzzzzz'));
  expect(taken.map(textOf)).toEqual(copy);
});

test('a search goes on where it stopped, across needles and takes', () => {
  const queue = new ByteQueue();
  const needle = bytesOf('\r\n.');
  queue.push(bytesOf('aaa\r'));
  expect(queue.indexOf(needle)).toBe(-1);
  queue.push(bytesOf('\n'));
  expect(queue.indexOf(needle)).toBe(-1);
  queue.push(bytesOf('.b'));
  expect(queue.indexOf(needle)).toBe(3);
  expect(queue.indexOf(10)).toBe(4);
  queue.take(4);
  expect(queue.indexOf(10)).toBe(0);
  expect(queue.indexOf(needle)).toBe(-1);
});

test('SOCK-06: a line that comes byte by byte costs linear time', () => {
  // Counted, not timed: the bytes that a search looks at.
  const cost = (length: number): number => {
    const queue = new ByteQueue();
    let copied = 0;
    const set = Uint8Array.prototype.set;
    Uint8Array.prototype.set = function (source: ArrayLike<number>, offset?: number) {
      copied += source.length;
      set.call(this, source, offset);
    };
    try {
      for (let at = 0; at < length; at++) {
        queue.push(Uint8Array.of(97));
        queue.indexOf(10);
      }
    } finally {
      Uint8Array.prototype.set = set;
    }
    return copied;
  };
  expect(cost(1 << 17) / cost(1 << 16)).toBeLessThan(2.5);
});
