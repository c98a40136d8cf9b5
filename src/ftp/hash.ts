import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { crc32 } from 'node:zlib';
import { ProtocolError, UnsupportedError } from '../errors.ts';
import type { CallOptions } from '../socket/connection.ts';
import type { FtpSession } from './session.ts';

export type FtpHashAlgorithm = 'sha512' | 'sha256' | 'sha1' | 'md5' | 'crc32';

export interface FtpHash {
  readonly algorithm: FtpHashAlgorithm;
  /** Lower case. */
  readonly hex: string;
}

/** The strongest first. HASH knows them by these names (draft-bryan-ftp-hash), older servers by a verb each. */
const algorithms: readonly [FtpHashAlgorithm, hashName: string, verbs: readonly string[], digits: number][] = [
  ['sha512', 'SHA-512', ['XSHA512'], 128],
  ['sha256', 'SHA-256', ['XSHA256'], 64],
  ['sha1', 'SHA-1', ['XSHA1', 'XSHA'], 40],
  ['md5', 'MD5', ['XMD5', 'MD5'], 32],
  ['crc32', 'CRC32', ['XCRC'], 8],
];

/** The algorithms that the server offers, with the verb for each. */
export function offeredHashes(session: FtpSession): Map<FtpHashAlgorithm, string> {
  const { features } = session;
  const named = (features.parameters('HASH') ?? []).join('').toUpperCase().split(';');
  const offered = new Map<FtpHashAlgorithm, string>();
  for (const [algorithm, name, verbs] of algorithms) {
    if (named.some((each) => each.replace('*', '') === name)) offered.set(algorithm, 'HASH');
    else {
      const verb = verbs.find((each) => features.has(each));
      if (verb !== undefined) offered.set(algorithm, verb);
    }
  }
  return offered;
}

/** What the server says of a file's content. UnsupportedError where it cannot. */
export async function remoteHash(
  session: FtpSession,
  path: string,
  algorithm?: FtpHashAlgorithm,
  call: CallOptions = {},
): Promise<FtpHash> {
  const offered = offeredHashes(session);
  const chosen = algorithm ?? offered.keys().next().value;
  const verb = chosen === undefined ? undefined : offered.get(chosen);
  if (chosen === undefined || verb === undefined)
    throw new UnsupportedError(`the FTP server does not offer ${algorithm ?? 'hashes of files'}`, { protocol: 'FTP' });
  const [, name, , digits] = algorithms.find(([each]) => each === chosen) as (typeof algorithms)[number];
  if (verb === 'HASH') await session.command('OPTS', ['HASH', name], call);
  const reply = await session.command(verb, [path], call, [200, 213, 226, 250, 251]);
  const match = new RegExp(`(?:^|[\\s=])(?:0x)?([0-9a-f]{1,${digits}})(?:\\s|$)`, 'i');
  const words = reply.lines.join(' ').split(/\s+/);
  // A path may look like a hash: only a whole one counts, but CRC32 comes without leading zeros too.
  const hex =
    words.find((word) => word.length === digits && match.test(word)) ??
    (chosen === 'crc32' ? words.find((word) => match.test(word)) : undefined);
  if (hex === undefined)
    throw new ProtocolError(`the server's answer to ${verb} holds no ${name}: ${reply.lines.join(' ')}`, {
      protocol: 'FTP',
      reusable: true,
    });
  return { algorithm: chosen, hex: hex.toLowerCase().padStart(digits, '0') };
}

/** The same of the first `byteCount` bytes of a local file, or of all. */
export async function localHash(file: string, algorithm: FtpHashAlgorithm, byteCount?: number): Promise<string> {
  if (byteCount === 0) return hashOf([new Uint8Array(0)], algorithm);
  const stream = createReadStream(file, {
    highWaterMark: 256 * 1024,
    ...(byteCount === undefined ? {} : { end: byteCount - 1 }),
  });
  return hashOf(stream as AsyncIterable<Uint8Array>, algorithm);
}

async function hashOf(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  algorithm: FtpHashAlgorithm,
): Promise<string> {
  if (algorithm === 'crc32') {
    let sum = 0;
    for await (const chunk of chunks) sum = crc32(chunk, sum);
    return sum.toString(16).padStart(8, '0');
  }
  const hash = createHash(algorithm);
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
