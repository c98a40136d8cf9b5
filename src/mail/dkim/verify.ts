import { type KeyObject, createHash, createPublicKey, verify } from 'node:crypto';
import { type DkimSignature, type HeaderFields, parseDkimSignature } from '../../mime/index.ts';
import { type TxtResolver, systemTxtResolver } from '../../socket/dns-records.ts';
import { toAsciiDomain } from '../../wire/addr-spec.ts';
import { latin1 } from '../../wire/bytes.ts';
import { type ByteSource, iterateBytes } from '../../wire/byte-stream.ts';
import { BodyHash, type DkimCanonicalization, canonicalSignature, readMessage, signedFields } from './canonical.ts';

/** As RFC 8601 section 2.7.1 names them. 'policy': valid, but too weak to count. */
export type DkimStatus = 'pass' | 'fail' | 'policy' | 'temperror' | 'permerror';

export interface DkimResult {
  readonly status: DkimStatus;
  /** Why it is not 'pass', as a sentence. */
  readonly reason: string | undefined;
  readonly signature: DkimSignature;
  /** The domain only tries DKIM out: its failures must not count against the message (t=y). */
  readonly testing: boolean;
  /** True when the signature covers only the beginning of the body (l=): anything may have been added. */
  readonly bodyIsPartial: boolean;
}

export interface DkimVerifyOptions {
  /** Default: the system's. */
  readonly resolver?: TxtResolver | undefined;
  /** For expiry. Default: now. */
  readonly now?: Date | undefined;
  /** Signatures that are looked at; the others are 'permerror'. Default 8. */
  readonly maxSignatures?: number | undefined;
}

interface Pending {
  readonly signature: DkimSignature;
  readonly raw: string;
  readonly wrong: { readonly status: DkimStatus; readonly reason: string } | undefined;
  readonly body: BodyHash | undefined;
}

type Verdict = Pick<DkimResult, 'status' | 'reason'> & { readonly testing?: boolean };

/**
 * Verifies every DKIM signature of a message, reading it once as a stream. Resolves with a result a signature, in order; an empty list when
 * there is none. A bad signature is a result, never an error; LimitError for a header longer than 1 MiB.
 *
 * @see RFC 6376 section 6, RFC 8301, RFC 8463
 */
export async function dkimVerify(message: ByteSource, options: DkimVerifyOptions = {}): Promise<DkimResult[]> {
  const resolver = options.resolver ?? systemTxtResolver;
  const now = (options.now ?? new Date()).getTime();
  let headers: HeaderFields | undefined;
  let pending: Pending[] = [];
  await readMessage(iterateBytes(message, 'the message'), (read) => {
    headers = read;
    pending = read.fields('dkim-signature').map((field, index) => {
      const signature = parseDkimSignature(field.value);
      const tooMany = { status: 'permerror', reason: 'the message has too many signatures' } as const;
      const wrong = index >= (options.maxSignatures ?? 8) ? tooMany : fault(signature, now);
      const { tags, canonicalization } = signature;
      const length = tags.has('l') ? Number(tags.get('l')) : undefined;
      const body =
        wrong === undefined ? new BodyHash(canonicalization.body as DkimCanonicalization, length) : undefined;
      return { signature, raw: latin1(field.bytes), wrong, body };
    });
    return pending.flatMap(({ body }) => (body === undefined ? [] : [body]));
  });
  return Promise.all(
    pending.map(async (each) => {
      const verdict = each.wrong ?? (await check(each, headers as HeaderFields, resolver));
      return {
        status: verdict.status,
        reason: verdict.reason,
        signature: each.signature,
        testing: (verdict as Verdict).testing === true,
        bodyIsPartial: each.signature.tags.has('l'),
      };
    }),
  );
}

const permerror = (reason: string): { readonly status: DkimStatus; readonly reason: string } => ({
  status: 'permerror',
  reason,
});

/** What is wrong with the field itself. @see RFC 6376 section 6.1.1 */
function fault(signature: DkimSignature, now: number): Pending['wrong'] {
  const { tags, algorithm, domain, signedFields: names, canonicalization } = signature;
  if (tags.get('v') !== '1') return permerror('the version (v) is not 1');
  for (const tag of ['a', 'b', 'bh', 'd', 'h', 's'])
    if ((tags.get(tag) ?? '') === '') return permerror(`the tag ${tag} is missing`);
  if (algorithm === 'rsa-sha1') return { status: 'policy', reason: 'rsa-sha1 is no longer secure (RFC 8301)' };
  if (algorithm !== 'rsa-sha256' && algorithm !== 'ed25519-sha256')
    return permerror(`the algorithm ${algorithm ?? ''} is not known`);
  for (const form of [canonicalization.header, canonicalization.body])
    if (form !== 'simple' && form !== 'relaxed') return permerror(`the canonicalization ${form} is not known`);
  if (!names.includes('from')) return permerror('From is not signed');
  const query = tags.get('q');
  if (query !== undefined && !query.split(':').some((each) => each.trim().toLowerCase() === 'dns/txt'))
    return permerror(`the key cannot be asked for by ${query}`);
  if (toAsciiDomain(domain ?? '') === undefined || !/^[A-Za-z0-9._-]{1,200}$/.test(signature.selector ?? ''))
    return permerror('domain or selector cannot be asked for in the DNS');
  const identity = tags.get('i');
  if (identity !== undefined && !within(identity.slice(identity.lastIndexOf('@') + 1), domain as string))
    return permerror(`the identity ${identity} is not of the domain ${domain ?? ''}`);
  if (tags.has('l') && !/^[0-9]{1,15}$/.test(tags.get('l') ?? ''))
    return permerror('the body length (l) is not a number');
  if (tags.has('x') && signature.expiresAt === null) return permerror('the expiry (x) is not a number');
  if (signature.expiresAt !== null) {
    if (signature.signedAt !== null && signature.expiresAt <= signature.signedAt)
      return permerror('it expires before it was made');
    if (signature.expiresAt.getTime() < now) return permerror('it has expired');
  }
  return undefined;
}

const within = (name: string, domain: string): boolean => {
  const lower = name.toLowerCase();
  return lower === domain || lower.endsWith(`.${domain}`);
};

async function check(
  { signature, raw, body }: Pending,
  headers: HeaderFields,
  resolver: TxtResolver,
): Promise<Verdict> {
  const { tags } = signature;
  const hash = body as BodyHash;
  const digest = hash.digest();
  const record = await findKey(signature, resolver);
  if ('status' in record) return record;
  const { key, testing } = record;
  const verdict = (status: DkimStatus, reason?: string): Verdict => ({ status, reason, testing });
  if (tags.has('l') && Number(tags.get('l')) > hash.length)
    return verdict('permerror', 'the body is shorter than its signed length (l)');
  if (digest !== tags.get('bh')) return verdict('fail', 'the body was changed: its hash is not the signed one');
  const form = signature.canonicalization.header as DkimCanonicalization;
  const text = signedFields(headers, signature.signedFields, form) + canonicalSignature(raw, form);
  const data = Buffer.from(text, 'latin1');
  const given = Buffer.from(tags.get('b') ?? '', 'base64');
  const good =
    key.asymmetricKeyType === 'rsa'
      ? verify('sha256', data, key, given)
      : verify(null, createHash('sha256').update(data).digest(), key, given);
  if (!good) return verdict('fail', 'a signed header field was changed, or the signature is of another key');
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 1024)
    return verdict('policy', 'the key has fewer than 1024 bits (RFC 8301)');
  return verdict('pass');
}

/** The public key, or what is wrong with its record. @see RFC 6376 section 6.1.2 */
async function findKey(
  signature: DkimSignature,
  resolver: TxtResolver,
): Promise<{ readonly key: KeyObject; readonly testing: boolean } | Verdict> {
  const name = `${signature.selector ?? ''}._domainkey.${toAsciiDomain(signature.domain ?? '') ?? ''}`;
  let records: readonly (readonly string[])[];
  try {
    records = await resolver(name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTFOUND' || code === 'ENODATA') return permerror(`there is no key at ${name}`);
    return { status: 'temperror', reason: `${name} could not be asked for: ${code ?? String(error)}` };
  }
  if (records.length === 0) return permerror(`there is no key at ${name}`);
  const texts = records.slice(0, 8).map((strings) => strings.join(''));
  // A name should have one record; where there are others, they are of something else.
  const { tags } = parseDkimSignature(texts.find((text) => /(?:^|;)\s*p\s*=/.test(text)) ?? (texts[0] as string));
  const list = (tag: string): string[] | undefined =>
    tags
      .get(tag)
      ?.split(':')
      .map((each) => each.trim().toLowerCase());
  if (tags.has('v') && tags.get('v') !== 'DKIM1') return permerror(`the record at ${name} is no DKIM key`);
  const wanted = signature.algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519';
  if ((tags.get('k') ?? 'rsa').toLowerCase() !== wanted) return permerror(`the key at ${name} is not for ${wanted}`);
  if (list('h')?.includes('sha256') === false) return permerror(`the key at ${name} is not for SHA-256`);
  const services = list('s');
  if (services !== undefined && !services.includes('*') && !services.includes('email'))
    return permerror(`the key at ${name} is not for mail`);
  const flags = list('t') ?? [];
  const identity = signature.tags.get('i');
  if (flags.includes('s') && identity !== undefined) {
    if (identity.slice(identity.lastIndexOf('@') + 1).toLowerCase() !== signature.domain)
      return permerror(`the key at ${name} is not for subdomains`);
  }
  const text = (tags.get('p') ?? '').replace(/\s+/g, '');
  if (text === '') return permerror(`the key at ${name} was revoked`);
  const key = readPublicKey(Buffer.from(text, 'base64'), wanted);
  return key === undefined ? permerror(`the key at ${name} cannot be read`) : { key, testing: flags.includes('y') };
}

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

function readPublicKey(bytes: Buffer, kind: 'rsa' | 'ed25519'): KeyObject | undefined {
  const attempts =
    kind === 'ed25519'
      ? [() => createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes]), format: 'der', type: 'spki' })]
      : [
          () => createPublicKey({ key: bytes, format: 'der', type: 'spki' }),
          // QUIRK(some DNS records): the bare RSAPublicKey, as RFC 6376 itself once said.
          () => createPublicKey({ key: bytes, format: 'der', type: 'pkcs1' }),
        ];
  for (const attempt of attempts) {
    try {
      const key = attempt();
      if (key.asymmetricKeyType === kind) return key;
    } catch {
      // The next form.
    }
  }
  return undefined;
}
