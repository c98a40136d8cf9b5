import { type KeyObject, createHash, createPrivateKey, sign } from 'node:crypto';
import { UsageError, messageOf } from '../../errors.ts';
import { type ByteSource, iterateBytes } from '../../wire/byte-stream.ts';
import { toAsciiDomain } from '../../wire/addr-spec.ts';
import { type Secret, Secret as SecretValue, checkOptions } from '../../wire/arguments.ts';
import { encodeText } from '../../wire/bytes.ts';
import { BodyHash, type DkimCanonicalization, canonicalSignature, readMessage, signedFields } from './canonical.ts';

export interface DkimSignOptions {
  /** The domain that answers for the message: `example.com`. */
  readonly domain: string;
  /** Where in its DNS the public key is: `SELECTOR._domainkey.DOMAIN`. */
  readonly selector: string;
  /** RSA (1024 bits or more) or Ed25519, as PEM or a key of `node:crypto`. */
  readonly privateKey: string | Secret | KeyObject;
  /** Fields to sign where they are there. Default: those that RFC 6376 section 5.4.1 names, and the MIME fields. From always is. */
  readonly fields?: readonly string[] | undefined;
  /** Fields that nobody may add to either: default From, To, Cc, Subject, Date, Reply-To, Message-ID, Content-Type and MIME-Version. */
  readonly oversign?: readonly string[] | undefined;
  /** Header and body; default 'relaxed/relaxed'. */
  readonly canonicalization?: `${DkimCanonicalization}/${DkimCanonicalization}` | undefined;
  /** The user or agent, within the domain: `@mail.example.com`. */
  readonly identity?: string | undefined;
  readonly signedAt?: Date | undefined;
  /** Seconds from `signedAt`. Default: it does not expire. */
  readonly expiresInSeconds?: number | undefined;
}

const defaultFields = (
  'From Sender Reply-To Subject Date Message-ID To Cc In-Reply-To References ' +
  'MIME-Version Content-Type Content-Transfer-Encoding Content-Disposition Content-ID ' +
  'Resent-Date Resent-From Resent-To Resent-Cc Resent-Message-ID ' +
  'List-Id List-Help List-Unsubscribe List-Unsubscribe-Post List-Subscribe List-Post List-Owner List-Archive'
).split(' ');
const defaultOversign = 'From To Cc Subject Date Reply-To Message-ID Content-Type MIME-Version'.split(' ');
const optionNames =
  'domain selector privateKey fields oversign canonicalization identity signedAt expiresInSeconds'.split(' ');

/**
 * Signs a message, reading it once as a stream. Resolves with the DKIM-Signature field, CRLF behind it, to be put in front of the message;
 * whose lines must end with CRLF on the wire, as they are signed. UsageError for a key or name that cannot be used, and for a message
 * without From.
 *
 * @see RFC 6376, RFC 8463 (Ed25519), RFC 8301 (key sizes)
 */
export async function dkimSign(message: ByteSource, options: DkimSignOptions): Promise<string> {
  const { key, algorithm, domain, selector } = checkDkimOptions(options);
  const [headerForm = 'relaxed', bodyForm = 'relaxed'] = (options.canonicalization ?? 'relaxed/relaxed').split(
    '/',
  ) as DkimCanonicalization[];
  const body = new BodyHash(bodyForm);
  let names: string[] = [];
  let signed = '';
  await readMessage(iterateBytes(message, 'the message'), (headers) => {
    if (!headers.has('from')) throw new UsageError('a message without From cannot be signed (RFC 6376 section 5.4)');
    const wanted = options.fields ?? defaultFields;
    // Every field of a name that is signed, and once more what nobody may add.
    names = [...new Set(['from', ...wanted.map((name) => name.toLowerCase())])].flatMap((name) =>
      headers.fields(name).map(() => name),
    );
    names.push(...(options.oversign ?? defaultOversign).map((name) => name.toLowerCase()));
    signed = signedFields(headers, names, headerForm);
    return [body];
  });
  const seconds = Math.floor((options.signedAt ?? new Date()).getTime() / 1000);
  const tags = [
    'v=1',
    `a=${algorithm}-sha256`,
    `c=${headerForm}/${bodyForm}`,
    `d=${domain}`,
    `s=${selector}`,
    ...(options.identity === undefined ? [] : [`i=${options.identity}`]),
    `t=${seconds}`,
    ...(options.expiresInSeconds === undefined ? [] : [`x=${seconds + options.expiresInSeconds}`]),
  ];
  const field = `DKIM-Signature: ${tags.slice(0, 3).join('; ')};\r\n\t${tags.slice(3).join('; ')};\r\n\th=${fold(names.join(':'), ':')};\r\n\tbh=${body.digest()};\r\n\tb=`;
  const data = encodeBinary(signed + canonicalSignature(`${field}\r\n`, headerForm));
  const signature =
    algorithm === 'rsa' ? sign('sha256', data, key) : sign(null, createHash('sha256').update(data).digest(), key);
  return `${field}${fold(signature.toString('base64'))}\r\n`;
}

/** Refuses what cannot be signed with, before anything is read or sent. */
export function checkDkimOptions(options: DkimSignOptions): {
  readonly key: KeyObject;
  readonly algorithm: 'rsa' | 'ed25519';
  readonly domain: string;
  readonly selector: string;
} {
  checkOptions('dkim', options, optionNames);
  const domain = toAsciiDomain(options.domain ?? '');
  if (domain === undefined || domain.startsWith('['))
    throw new UsageError(`dkim.domain must be a domain name; got ${JSON.stringify(options.domain)}`);
  const selector = options.selector ?? '';
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*$/.test(selector))
    throw new UsageError(`dkim.selector must be a DNS label such as 'mail2026'; got ${JSON.stringify(selector)}`);
  const { identity, expiresInSeconds, canonicalization } = options;
  if (identity !== undefined && !/^[!-:<-~]*@[!-:<-~]+$/.test(identity))
    throw new UsageError(`dkim.identity must be like '@${domain}'; got ${JSON.stringify(identity)}`);
  if (expiresInSeconds !== undefined && !(Number.isSafeInteger(expiresInSeconds) && expiresInSeconds > 0))
    throw new UsageError('dkim.expiresInSeconds must be a whole number of seconds above 0');
  if (canonicalization !== undefined && !/^(?:simple|relaxed)\/(?:simple|relaxed)$/.test(canonicalization))
    throw new UsageError(
      `dkim.canonicalization must be like 'relaxed/relaxed'; got ${JSON.stringify(canonicalization)}`,
    );
  for (const name of [...(options.fields ?? []), ...(options.oversign ?? [])])
    if (!/^[!-9;-~]+$/.test(name)) throw new UsageError(`${JSON.stringify(name)} is not the name of a header field`);
  const key = readKey(options.privateKey);
  const algorithm = key.asymmetricKeyType;
  if (algorithm !== 'rsa' && algorithm !== 'ed25519')
    throw new UsageError(`dkim.privateKey must be an RSA or an Ed25519 key; it is ${algorithm ?? 'a secret'}`);
  if (algorithm === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 1024)
    throw new UsageError('dkim.privateKey has fewer than 1024 bits: verifiers refuse it (RFC 8301); make one of 2048');
  return { key, algorithm, domain, selector };
}

function readKey(given: DkimSignOptions['privateKey']): KeyObject {
  const key = given instanceof SecretValue ? given.reveal() : given;
  if (typeof key !== 'string') {
    if (key?.type !== 'private') throw new UsageError('dkim.privateKey must be a private key');
    return key;
  }
  try {
    return createPrivateKey(key);
  } catch (error) {
    // The message of the crypto library names the format's fault, never the key.
    throw new UsageError(`dkim.privateKey is not a private key in PEM: ${messageOf(error)}`);
  }
}

/** Lines of at most 72 characters; at `separator` where one is given, which stays at the end of the line. */
function fold(text: string, separator = ''): string {
  const words = separator === '' ? (text.match(/.{1,72}/g) ?? []) : text.split(separator);
  let line = 0;
  return words
    .map((word, index) => {
      const piece = index + 1 < words.length ? word + separator : word;
      const breaks = index > 0 && (separator === '' || line + piece.length > 72);
      line = breaks ? piece.length : line + piece.length;
      return breaks ? `\r\n\t ${piece}` : piece;
    })
    .join('');
}

const encodeBinary = (text: string): Uint8Array =>
  /^[\0-\u007f]*$/.test(text) ? encodeText(text) : Buffer.from(text, 'latin1');
