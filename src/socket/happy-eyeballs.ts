import { lookup as systemLookup } from 'node:dns/promises';
import { type Socket, isIP } from 'node:net';
import { ConnectError, PostwireError, UsageError, messageOf } from '../errors.ts';
import { formatHostPort } from './address.ts';
import { connectBuffered } from './read-buffers.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Turns a name into addresses, in the order to prefer. The default is the operating system's resolver. */
export type Lookup = (host: string) => Promise<readonly ResolvedAddress[]>;

export interface RaceOptions {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  readonly lookup?: Lookup | undefined;
  /** 4 or 6 to use only that family. */
  readonly family?: 4 | 6 | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly signal: AbortSignal;
  /** Tells which addresses may be connected to. */
  readonly allows?: ((address: string) => boolean) | undefined;
  /** Addresses tried at most. */
  readonly maxAttempts: number;
}

/** RFC 8305 section 8: Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250;
const MAX_PARALLEL = 6;

/**
 * Connects by racing the host's addresses (RFC 8305): a new attempt starts every 250 ms, or as soon as one fails; the first to connect
 * wins and the others are closed. ConnectError lists every address tried. Aborting `signal` rejects with its reason.
 */
export async function raceConnect(options: RaceOptions): Promise<Socket> {
  const { host, port, protocol, signal } = options;
  const where = formatHostPort(host, port);
  const addresses = interleave(allowed(await resolve(options), options)).slice(0, options.maxAttempts);
  const attempts: { address: string; error: string }[] = [];
  return new Promise((onResolve, onReject) => {
    const pending = new Set<Socket>();
    let next = 0;
    let timer: NodeJS.Timeout | undefined;
    let settled = false;
    let lastCode = '';
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const socket of pending) socket.destroy();
      act();
    };
    const onAbort = (): void => settle(() => onReject(signal.reason as Error));
    const start = (): void => {
      clearTimeout(timer);
      const address = addresses[next++];
      if (address === undefined) {
        if (pending.size === 0) {
          const list = attempts.map((attempt) => `${attempt.address}: ${attempt.error}`).join('; ');
          settle(() =>
            onReject(
              new ConnectError(`cannot connect to ${protocol} server ${where}: ${list}`, {
                protocol,
                host,
                port,
                phase: 'connect',
                reason: lastCode === '' ? undefined : lastCode,
                temporary: true,
                attempts,
                hint: connectHint(lastCode, port),
              }),
            ),
          );
        }
        return;
      }
      const socket = connectBuffered({
        host: address.address,
        port,
        ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
        ...(options.localPort === undefined ? {} : { localPort: options.localPort }),
      });
      pending.add(socket);
      const onError = (error: NodeJS.ErrnoException): void => {
        pending.delete(socket);
        lastCode = error.code ?? '';
        attempts.push({ address: address.address, error: explain(error) });
        if (!settled) start();
      };
      socket.once('error', onError);
      // Whatever an abandoned attempt still says must not crash the process.
      socket.on('error', ignore);
      socket.once('connect', () => {
        if (settled) return;
        pending.delete(socket);
        socket.off('error', onError);
        settle(() => onResolve(socket));
      });
      if (next < addresses.length && pending.size < MAX_PARALLEL) timer = setTimeout(start, ATTEMPT_DELAY_MS);
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort);
      start();
    }
  });
}

async function resolve(options: RaceOptions): Promise<readonly ResolvedAddress[]> {
  const { host, port, protocol, family, signal } = options;
  const literal = isIP(host);
  if (literal !== 0) {
    if (family !== undefined && family !== literal)
      throw new UsageError(`${host} is an IPv${literal} address, and family asks for IPv${family}`);
    return [{ address: host, family: literal }];
  }
  const lookup = options.lookup ?? ((name) => systemLookup(name, { all: true, verbatim: true }));
  const details = { protocol, host, port, phase: 'connect' };
  let found: readonly ResolvedAddress[];
  try {
    found = await abortable(lookup(host), signal);
  } catch (error) {
    // A resolver of the caller's may refuse by policy: its own sentence says why.
    if (signal.aborted || error instanceof PostwireError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const why =
      code === 'ENOTFOUND'
        ? 'the name is not known'
        : code === 'EAI_AGAIN'
          ? 'the name server does not answer'
          : messageOf(error);
    throw new ConnectError(`cannot find ${protocol} server ${host}: ${why}`, {
      ...details,
      reason: code === '' ? undefined : code,
      temporary: code !== 'ENOTFOUND',
      hint: 'check the spelling of the host name and the network',
      cause: error,
    });
  }
  if (!Array.isArray(found) || found.some((entry) => isIP(entry?.address) === 0))
    throw new UsageError('lookup must give a list of { address, family }');
  const usable = family === undefined ? found : found.filter((address) => address.family === family);
  if (usable.length === 0) {
    throw new ConnectError(
      `cannot find ${protocol} server ${host}: the name has no ${family === undefined ? '' : `IPv${family} `}address`,
      details,
    );
  }
  return usable;
}

/** What may be connected to: never an address that is blocked, whatever other addresses the name has. */
function allowed(found: readonly ResolvedAddress[], options: RaceOptions): readonly ResolvedAddress[] {
  const { allows, host, port, protocol } = options;
  const usable = allows === undefined ? found : found.filter(({ address }) => allows(address));
  if (usable.length > 0) return usable;
  throw new ConnectError(`${protocol} server ${host} is at ${found[0]?.address ?? ''}, which blockAddresses excludes`, {
    protocol,
    host,
    port,
    phase: 'connect',
    reason: 'BLOCKED_ADDRESS',
  });
}

/** RFC 8305 section 4: the families alternate, beginning with the resolver's first choice. */
function interleave(addresses: readonly ResolvedAddress[]): ResolvedAddress[] {
  const first = addresses[0]?.family;
  const preferred = addresses.filter((address) => address.family === first);
  const others = addresses.filter((address) => address.family !== first);
  const ordered: ResolvedAddress[] = [];
  for (let index = 0; index < Math.max(preferred.length, others.length); index++) {
    if (preferred[index]) ordered.push(preferred[index] as ResolvedAddress);
    if (others[index]) ordered.push(others[index] as ResolvedAddress);
  }
  return ordered;
}

function explain(error: NodeJS.ErrnoException): string {
  const known: Record<string, string> = {
    ECONNREFUSED: 'connection refused',
    ETIMEDOUT: 'timed out',
    EHOSTUNREACH: 'no route to host',
    ENETUNREACH: 'network unreachable',
    ECONNRESET: 'connection reset',
    EADDRNOTAVAIL: 'address not available',
    EACCES: 'not permitted',
  };
  return known[error.code ?? ''] ?? messageOf(error);
}

function connectHint(code: string, port: number): string {
  if (code === 'ECONNREFUSED') return `nothing listens on port ${port}: check host and port`;
  if (port === 25 || port === 465 || port === 587)
    return `many hosts block port ${port}: try 587 or 2525, or ask the provider`;
  return 'check host, port and firewall';
}

/** Waits for the promise, or rejects with the signal's reason. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

const ignore = (): void => {};
