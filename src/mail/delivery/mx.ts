import { PostwireError, TlsError, UsageError, messageOf } from '../../errors.ts';
import type { HttpClientOptions } from '../../http/index.ts';
import {
  type RecipientResult,
  type SendOptions,
  type SendResult,
  SmtpClient,
  type SmtpEnvelope,
  type SmtpMessage,
  type SmtpOptions,
  SmtpSendError,
} from '../../smtp/index.ts';
import { dialOptionNames } from '../../socket/dial.ts';
import { type TlsaRecord, isUsableTlsa } from '../../socket/dane.ts';
import {
  type MxRecord,
  type MxResolver,
  type TxtResolver,
  systemMxResolver,
  systemTxtResolver,
} from '../../socket/dns-records.ts';
import { toAsciiDomain } from '../../wire/addr-spec.ts';
import { checkOptions } from '../../wire/arguments.ts';
import type { MailSender } from '../send.ts';
import { MtaStsCache, mtaStsAllows } from './mta-sts.ts';

/** Answers about names. Each rejects with code 'ENOTFOUND' (no such name) or 'ENODATA' (no such record), as Node's do. */
export interface MailResolver {
  readonly mx: MxResolver;
  readonly txt?: TxtResolver | undefined;
  /** Records with `secure: true` where DNSSEC vouches for them; without this there is no DANE. */
  tlsa?(name: string): Promise<{ readonly secure: boolean; readonly records: readonly TlsaRecord[] }>;
}

export interface MxSenderOptions extends Omit<SmtpOptions, 'user' | 'password' | 'token' | 'lmtp' | 'tls'> {
  /** Default: the system's name servers, which tell nothing of DNSSEC. */
  readonly resolver?: MailResolver | undefined;
  /** Default 25. */
  readonly port?: number | undefined;
  /**
   * 'opportunistic' (default): TLS where it is offered, with any certificate, unless the domain's MTA-STS policy or DANE records demand more.
   * 'verified': never without TLS and a certificate for the mail exchanger's name.
   */
  readonly security?: 'opportunistic' | 'verified' | undefined;
  /** False does not ask for MTA-STS policies. Default true. */
  readonly mtaSts?: boolean | undefined;
  /** How policies are fetched. */
  readonly http?: HttpClientOptions | undefined;
  /** Authorities to trust instead of the built-in ones. */
  readonly ca?: string | undefined;
}

const ownKeys = ['resolver', 'port', 'security', 'mtaSts', 'http', 'ca'];
const smtpKeys = ['name', ...dialOptionNames];

/** How one mail exchanger is to be spoken to. */
interface Security {
  readonly kind: 'opportunistic' | 'any-certificate' | 'verified' | 'dane';
  readonly records?: readonly TlsaRecord[] | undefined;
}

/**
 * Delivers straight to the mail exchangers of each recipient's domain, as a mail server does: in the order of their preference, to the domain
 * itself where there is none, nowhere where the domain says that it takes no mail. MTA-STS is obeyed, DANE where the resolver vouches for
 * it. Hosts come from the DNS of whoever owns the domain, so private addresses are not connected to unless `blockAddresses` says otherwise.
 *
 * Nothing is queued: what was refused for now is told by `retryable(result)`, and the caller sends it again. Most networks do not let
 * port 25 out, and most servers take no mail from addresses of private customers.
 *
 * @see RFC 5321 section 5.1, RFC 7505, RFC 8461, RFC 7672
 */
export function mxSender(options: MxSenderOptions = {}): MailSender {
  checkOptions('mxSender', options, [...ownKeys, ...smtpKeys]);
  const {
    resolver = systemResolver,
    port = 25,
    security = 'opportunistic',
    mtaSts = true,
    http,
    ca,
    ...rest
  } = options;
  if (security !== 'opportunistic' && security !== 'verified')
    throw new UsageError(`security must be opportunistic or verified; got ${JSON.stringify(security)}`);
  const smtp: SmtpOptions = { blockAddresses: 'private', ...rest };
  const policies = mtaSts ? new MtaStsCache(resolver.txt ?? systemTxtResolver, http) : undefined;
  const delivery = new MxDelivery(resolver, port, security, smtp, ca, policies);
  return { send: (envelope, message, call) => delivery.send(envelope, message, call ?? {}) };
}

const systemResolver: MailResolver = { mx: systemMxResolver };

/** What became of the recipients of one domain. */
interface Outcome {
  readonly recipients: readonly RecipientResult[];
  readonly result?: SendResult | undefined;
  readonly error?: unknown;
}

class MxDelivery {
  readonly #resolver: MailResolver;
  readonly #port: number;
  readonly #security: 'opportunistic' | 'verified';
  readonly #smtp: SmtpOptions;
  readonly #ca: string | undefined;
  readonly #policies: MtaStsCache | undefined;

  constructor(
    resolver: MailResolver,
    port: number,
    security: 'opportunistic' | 'verified',
    smtp: SmtpOptions,
    ca: string | undefined,
    policies: MtaStsCache | undefined,
  ) {
    this.#resolver = resolver;
    this.#port = port;
    this.#security = security;
    this.#smtp = smtp;
    this.#ca = ca;
    this.#policies = policies;
  }

  async send(envelope: SmtpEnvelope, message: SmtpMessage, options: SendOptions): Promise<SendResult> {
    const to = typeof envelope.to === 'string' ? [envelope.to] : envelope.to;
    if (to.length === 0) throw new UsageError('the envelope has no recipient: give at least one address to send to');
    const domains = new Map<string, string[]>();
    for (const address of to) {
      const domain = toAsciiDomain(address.slice(address.lastIndexOf('@') + 1))?.toLowerCase();
      if (domain === undefined || !address.includes('@'))
        throw new UsageError(`${JSON.stringify(address)} is not a mail address with a domain`);
      domains.set(domain, [...(domains.get(domain) ?? []), address]);
    }
    const outcomes: Outcome[] = [];
    for (const [domain, addresses] of domains)
      outcomes.push(await this.#toDomain(domain, { from: envelope.from, to: addresses }, message, options));
    return merge(to, outcomes);
  }

  async #toDomain(
    domain: string,
    envelope: { readonly from: string; readonly to: readonly string[] },
    message: SmtpMessage,
    options: SendOptions,
  ): Promise<Outcome> {
    const all = (status: 'refused' | 'unsent', code: string, text: string, temporary: boolean): Outcome => ({
      recipients: envelope.to.map((address) => ({
        address,
        status,
        reply: { code: Number(`${code[0] ?? '4'}50`), enhanced: code, text },
        temporary,
      })),
      error: new PostwireError('CONNECT', text, { protocol: 'SMTP', temporary }),
    });
    let hosts: readonly string[];
    let secureMx = false;
    try {
      ({ hosts, secure: secureMx } = await this.#hostsOf(domain));
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === 'ENOTFOUND';
      return gone
        ? all('refused', '5.1.2', `the domain ${domain} does not exist`, false)
        : all('unsent', '4.4.3', `the mail exchangers of ${domain} cannot be looked up: ${messageOf(error)}`, true);
    }
    if (hosts.length === 0) return all('refused', '5.1.10', `the domain ${domain} takes no mail (null MX)`, false);
    const policy = await this.#policies?.policy(domain, options.signal);
    const enforced = policy?.mode === 'enforce' ? policy : undefined;
    const allowed = enforced === undefined ? hosts : hosts.filter((host) => mtaStsAllows(enforced, host));
    if (allowed.length === 0)
      return all('unsent', '4.7.0', `no mail exchanger of ${domain} is one that its MTA-STS policy allows`, true);
    let last: unknown;
    for (const host of allowed) {
      options.signal?.throwIfAborted();
      try {
        const security = await this.#securityFor(host, secureMx, enforced !== undefined);
        await using client = await this.#connect(host, security, options.signal);
        const result = await client.send(envelope, message, options);
        return { recipients: result.recipients, result };
      } catch (error) {
        if (options.signal?.aborted === true || error instanceof UsageError) throw error;
        if (error instanceof SmtpSendError && !isServerTrouble(error)) return { recipients: error.recipients, error };
        last = error;
      }
    }
    const failed = all('unsent', '4.4.1', `no mail exchanger of ${domain} could be used: ${messageOf(last)}`, true);
    return { ...failed, error: last };
  }

  /** By preference, those alike in random order; the domain itself where there is none; nothing for a null MX. */
  async #hostsOf(domain: string): Promise<{ readonly hosts: readonly string[]; readonly secure: boolean }> {
    const literal = /^\[(?:IPv6:)?([0-9a-f.:]+)\]$/i.exec(domain)?.[1];
    if (literal !== undefined) return { hosts: [literal], secure: false };
    let records: readonly MxRecord[];
    try {
      records = await this.#resolver.mx(domain);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENODATA') throw error;
      records = [];
    }
    if (records.length === 0) return { hosts: [domain], secure: false };
    const named = records.filter(({ exchange }) => exchange !== '' && exchange !== '.');
    const order = new Map(named.map((record) => [record, Math.random()]));
    const sorted = [...named].sort(
      (left, right) => left.priority - right.priority || (order.get(left) as number) - (order.get(right) as number),
    );
    return {
      hosts: sorted.map(({ exchange }) => exchange.replace(/\.$/, '').toLowerCase()),
      secure: records.every(({ secure }) => secure === true),
    };
  }

  async #securityFor(host: string, secureMx: boolean, enforced: boolean): Promise<Security> {
    const answer = secureMx ? await this.#tlsa(host) : undefined;
    // DANE goes before MTA-STS: RFC 8461 section 2. Records of no use still say that there is TLS: RFC 7672 section 2.2.
    if (answer !== undefined && answer.length > 0) {
      const records = answer.filter(isUsableTlsa);
      return records.length > 0 ? { kind: 'dane', records } : { kind: 'any-certificate' };
    }
    return { kind: enforced || this.#security === 'verified' ? 'verified' : 'opportunistic' };
  }

  /** Undefined where there is nothing secure; an answer that cannot be had must not be taken for none (RFC 7672 section 2.1.1). */
  async #tlsa(host: string): Promise<readonly TlsaRecord[] | undefined> {
    if (this.#resolver.tlsa === undefined) return undefined;
    try {
      const { secure, records } = await this.#resolver.tlsa(`_${this.#port}._tcp.${host}`);
      return secure ? records : undefined;
    } catch (error) {
      if (['ENOTFOUND', 'ENODATA'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }

  async #connect(host: string, security: Security, signal: AbortSignal | undefined): Promise<SmtpClient> {
    const target = { host, port: this.#port };
    const ca = this.#ca === undefined ? {} : { ca: this.#ca };
    const connect = (tls: SmtpOptions['tls']): Promise<SmtpClient> =>
      SmtpClient.connect(target, { ...this.#smtp, tls, signal });
    const { kind, records } = security;
    if (kind === 'verified') return connect({ mode: 'starttls', ...ca });
    if (kind === 'dane') return connect({ mode: 'starttls', dane: records });
    try {
      return await connect({ mode: 'starttls', ...ca });
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      // A certificate that nobody vouches for still keeps out those who only listen (RFC 7435): that one is trusted, this once.
      if (error.certificate !== undefined) return connect({ mode: 'starttls', pin: error.certificate.pin });
      if (kind === 'any-certificate') throw error;
      return connect('none');
    }
  }
}

/** The server cannot be used now; another may be. RFC 5321 section 4.5.4.1 */
const isServerTrouble = (error: SmtpSendError): boolean => !error.deliveryUnknown && Number(error.reply?.code) === 421;

function merge(to: readonly string[], outcomes: readonly Outcome[]): SendResult {
  const byAddress = new Map(outcomes.flatMap(({ recipients }) => recipients.map((each) => [each.address, each])));
  const recipients = to.map((address) => byAddress.get(address) as RecipientResult);
  const taken = outcomes.find(({ result }) => result !== undefined)?.result;
  const unknown = recipients.some(({ status }) => status === 'unknown');
  if (taken !== undefined && !unknown)
    return {
      ...taken,
      recipients,
      accepted: recipients.filter(({ status }) => status === 'accepted').map(({ address }) => address),
      refused: recipients.filter(({ status }) => status !== 'accepted'),
    };
  const failed = outcomes.filter(({ error }) => error !== undefined).map(({ error }) => error);
  const first = failed.find((error) => error instanceof SmtpSendError && error.deliveryUnknown) ?? failed[0];
  const details = first instanceof PostwireError ? first : undefined;
  throw new SmtpSendError(details?.code ?? 'CONNECT', messageOf(first), {
    protocol: 'SMTP',
    temporary: recipients.every(({ temporary }) => temporary),
    recipients,
    deliveryUnknown: unknown,
    cause: first,
    reason: details?.reason,
    reply: details?.reply,
  });
}
