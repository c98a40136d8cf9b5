import { PostwireError, TlsError, addContext } from '../errors.ts';
import type { Decoder } from '../wire/byte-queue.ts';
import type { CallOptions, Connection } from './connection.ts';

/**
 * Reads the first words of a server that speaks first. The connect deadline covers them too. The wrong pairing of port and TLS mode is
 * recognised, by its first bytes or by the server's silence, and explained in the error's `hint`.
 */
export async function readGreeting<E>(connection: Connection, decode: Decoder<E>, call: CallOptions): Promise<E> {
  const timeoutMs = Math.max(1, Math.min(connection.timeouts.greetingMs, connection.connectBy - performance.now()));
  const scheme = connection.protocol.toLowerCase();
  try {
    return await connection.read(connection.secure ? decode : expectPlaintext(decode, scheme), {
      ...call,
      phase: 'greeting',
      timeoutMs,
    });
  } catch (error) {
    if (connection.secure || !(error instanceof PostwireError) || error.code === 'PROTOCOL') throw error;
    throw addContext(error, {
      hint: `a server that says nothing may be waiting for TLS from the first byte: use ${scheme}s:// or tls: 'implicit'`,
    });
  }
}

/** The decoder, but a TLS record where the greeting should be is a TlsError. @see RFC 8446 section 5.1 */
function expectPlaintext<E>(decode: Decoder<E>, scheme: string): Decoder<E> {
  return (queue) => {
    const type = queue.at(0);
    if ((type === 0x15 || type === 0x16) && queue.at(1) === 3) {
      throw new TlsError('the server speaks TLS from the first byte, and plaintext was expected', {
        reason: 'TLS_MODE_MISMATCH',
        phase: 'greeting',
        hint: `use ${scheme}s:// or tls: 'implicit'`,
      });
    }
    return decode(queue);
  };
}
