import { ReplyError, UnsupportedError, UsageError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import { formatHostPortNumbers, parsePasv } from './codec.ts';
import type { FtpSession } from './session.ts';

/**
 * Copies a file from one server to another, which send it to each other: nothing comes through here. Both must allow it. With TLS on both,
 * the source listens as a TLS client (CPSV, or SSCN) where it can, else the target connects so (SSCN).
 */
export async function fxp(
  from: FtpSession,
  fromPath: string,
  to: FtpSession,
  toPath: string,
  call: CallOptions = {},
): Promise<void> {
  if (from === to) throw new UsageError('a session cannot copy to itself: connect twice');
  const secure = [from, to].map(({ connection, target }) => connection.secure && target.protection === 'private');
  if (secure[0] !== secure[1])
    throw new UnsupportedError('one server protects data connections and the other does not', { protocol: 'FTP' });
  // In the order of nothing but themselves: two copies the other way round at once would wait for each other.
  const [first, second] = from.number < to.number ? [from, to] : [to, from];
  await first.run(call, () =>
    second.run(call, async () => {
      const options = { timeoutMs: call.timeoutMs };
      await from.typeBinary(options);
      await to.typeBinary(options);
      const address = parsePasv(
        (secure[0] === true
          ? await listenAsClient(from, options)
          : await from.control.demand(from.control.line('PASV'), options, [227])
        ).lines.join(' '),
      );
      await to.control.demand(
        to.control.line('PORT', formatHostPortNumbers(address.host as string, address.port)),
        options,
      );
      // The one that connects is told first: the other then has somebody to wait for.
      const storing = await to.control.ask(to.control.line('STOR', toPath), options);
      if (storing.code >= 200) throw to.control.refusal(`STOR ${toPath}`, storing);
      const sending = await from.control.ask(from.control.line('RETR', fromPath), options);
      if (sending.code >= 200) {
        // The target waits for data that will not come.
        to.connection.destroy();
        throw from.control.refusal(`RETR ${fromPath}`, sending);
      }
      const idle = { timeoutMs: call.timeoutMs ?? Number.POSITIVE_INFINITY, signal: call.signal };
      const [sent, stored] = await Promise.all([from.control.read('RETR', idle), to.control.read('STOR', idle)]);
      if (sent.code >= 400) throw from.control.refusal(`RETR ${fromPath}`, sent);
      if (stored.code >= 400) throw to.control.refusal(`STOR ${toPath}`, stored);
    }),
  );
}

/** One of two servers must begin the handshake. @see draft-murray-auth-ftp-ssl appendix */
async function listenAsClient(session: FtpSession, call: CallOptions): Promise<{ readonly lines: readonly string[] }> {
  const { control } = session;
  try {
    return await control.demand(control.line('CPSV'), call, [227]);
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    await control.demand(control.line('SSCN', 'ON'), call);
    return control.demand(control.line('PASV'), call, [227]);
  }
}
