import type { ByteStream } from '../wire/byte-stream.ts';

/** The chunks made of a source; giving them up gives the source up too, even before the first: a generator that never began would not. */
export function closing(
  source: ByteStream,
  chunks: AsyncGenerator<Uint8Array, void>,
): AsyncIterable<Uint8Array> & AsyncIterator<Uint8Array, void> {
  const iterator = {
    next: () => chunks.next(),
    return: async (): Promise<IteratorResult<Uint8Array, void>> => {
      await chunks.return();
      await source[Symbol.asyncDispose]();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
