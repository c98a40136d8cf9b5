import { LimitError } from '../errors.ts';
import type { Connection } from '../socket/connection.ts';
import { encodeNegotiation, encodeSubnegotiation, telnetDecoder } from './codec.ts';
import { OptionEngine } from './option-engine.ts';
import { telnetOptions } from './options/table.ts';
import { formatTelnetEvent } from './show.ts';

const START_TLS = telnetOptions['START-TLS'];
const FOLLOWS = 1;
/** What a peer may say before it answers. */
const MAX_BYTES = 64 * 1024;

/**
 * Agrees with the peer that TLS follows. Both roles: the client's side of the option is 'us', the server's 'them'. True: nothing more is sent
 * in the clear. False: the peer refused. What it said or negotiated besides is in the clear, and forgotten: all begins anew behind TLS.
 *
 * @see draft-altman-telnet-starttls-02
 */
export async function agreeOnTls(connection: Connection, side: 'us' | 'them'): Promise<boolean> {
  const send = (bytes: Uint8Array, shown: string): void =>
    // A failure is the next read's to tell.
    void connection.write([{ bytes, shown }]).catch(() => undefined);
  const follows = (): void => {
    const event = { kind: 'subnegotiation', option: START_TLS, bytes: Uint8Array.of(FOLLOWS) } as const;
    send(encodeSubnegotiation(event.option, event.bytes), formatTelnetEvent(event));
  };
  const engine = new OptionEngine({
    send: (verb, option) =>
      send(encodeNegotiation(verb, option), formatTelnetEvent({ kind: 'negotiate', verb, option })),
    accepts: (which, option) => which === side && option === START_TLS,
    changed: (_which, _option, on) => {
      // The client's goes first: the handshake that it begins behind the server's must not come along with it.
      if (on && side === 'us') follows();
    },
  });
  const decode = telnetDecoder();
  let seen = 0;
  void engine.enable(side, START_TLS);
  while (engine.on(side, START_TLS) || !engine.settled) {
    const event = await connection.read(decode, { phase: 'greeting', shown: 'body' });
    seen += event.kind === 'data' || event.kind === 'subnegotiation' ? event.bytes.length : 1;
    if (seen > MAX_BYTES)
      throw new LimitError(`the peer sent more than ${MAX_BYTES} bytes in the clear before it began TLS`, {
        reason: 'BUFFER_FULL',
      });
    if (event.kind === 'negotiate') engine.receive(event.verb, event.option);
    else if (event.kind === 'subnegotiation' && event.option === START_TLS && event.bytes[0] === FOLLOWS) {
      if (!engine.on(side, START_TLS)) continue;
      if (side === 'them') follows();
      return true;
    }
  }
  return false;
}
