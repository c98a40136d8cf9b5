import { TimeoutError } from '../../errors.ts';
import { HttpClient, type HttpClientOptions } from '../../http/index.ts';
import type { TxtResolver } from '../../socket/dns-records.ts';

/** What a domain demands of those who deliver to it. @see RFC 8461 section 3.2 */
export interface MtaStsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  /** Host names that its mail exchangers may have, `*.` for any one label. */
  readonly mx: readonly string[];
  readonly maxAgeSeconds: number;
}

const MAX_POLICY_BYTES = 64 * 1024;
const MAX_AGE_SECONDS = 31_557_600;
const FETCH_MS = 30_000;

/** Reads a policy; undefined where it is none. @see RFC 8461 section 3.2 */
export function parseMtaStsPolicy(text: string): MtaStsPolicy | undefined {
  const mx: string[] = [];
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const name = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    if (name === 'mx') mx.push(value.toLowerCase());
    // Of a field that comes twice the first counts: section 3.2.
    else if (!fields.has(name)) fields.set(name, value);
  }
  const mode = fields.get('mode');
  const age = fields.get('max_age') ?? '';
  if (fields.get('version') !== 'STSv1' || !/^\d{1,10}$/.test(age)) return undefined;
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return undefined;
  if (mode !== 'none' && mx.length === 0) return undefined;
  return { mode, mx, maxAgeSeconds: Math.min(Number(age), MAX_AGE_SECONDS) };
}

/** True where the policy allows this mail exchanger. A wildcard stands for one label. @see RFC 8461 section 4.1 */
export function mtaStsAllows(policy: MtaStsPolicy, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return policy.mx.some((pattern) =>
    pattern.startsWith('*.')
      ? name.slice(name.indexOf('.')) === pattern.slice(1) && name.includes('.')
      : name === pattern,
  );
}

interface Kept {
  readonly id: string;
  readonly policy: MtaStsPolicy;
  readonly until: number;
}

/** Policies by domain, kept as long as they say, and beyond an answer that somebody suppresses. @see RFC 8461 section 3.3 */
export class MtaStsCache {
  readonly #kept = new Map<string, Kept>();
  readonly #txt: TxtResolver;
  readonly #http: HttpClientOptions;

  constructor(txt: TxtResolver, http: HttpClientOptions = {}) {
    this.#txt = txt;
    this.#http = http;
  }

  /** The policy in force; undefined where the domain has none. Never rejects but for the signal. */
  async policy(domain: string, signal?: AbortSignal): Promise<MtaStsPolicy | undefined> {
    const name = domain.toLowerCase();
    const kept = this.#kept.get(name);
    const valid = kept !== undefined && kept.until > Date.now() ? kept : undefined;
    const id = await this.#id(name);
    signal?.throwIfAborted();
    // Without a record, or with one that cannot be asked for, a policy that was kept is still in force: section 5.1.
    if (id === undefined || id === valid?.id) return valid?.policy;
    const policy = await this.#fetch(name, signal);
    if (policy === undefined) return valid?.policy;
    if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.set(name, { id, policy, until: Date.now() + policy.maxAgeSeconds * 1000 });
    return policy;
  }

  async #id(domain: string): Promise<string | undefined> {
    try {
      const records = (await this.#txt(`_mta-sts.${domain}`)).map((strings) => strings.join(''));
      const ours = records.filter((record) => /^v=STSv1[ \t]*;/.test(record));
      return ours.length === 1 ? /;[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*(?:;|$)/.exec(ours[0] as string)?.[1] : undefined;
    } catch {
      return undefined;
    }
  }

  async #fetch(domain: string, signal?: AbortSignal): Promise<MtaStsPolicy | undefined> {
    const http = new HttpClient(this.#http);
    try {
      // Redirects are not followed: section 3.3.
      const response = await http.request(`https://mta-sts.${domain}/.well-known/mta-sts.txt`, {
        maxRedirects: 0,
        timeoutMs: FETCH_MS,
        signal,
      });
      const text = await response.text(MAX_POLICY_BYTES);
      const plain = /^text\/plain\b/i.test(response.headers.get('content-type') ?? '');
      return response.status === 200 && plain ? parseMtaStsPolicy(text) : undefined;
    } catch (error) {
      if (signal?.aborted === true && !(error instanceof TimeoutError)) throw error;
      return undefined;
    } finally {
      await http.close();
    }
  }
}

const MAX_KEPT = 10_000;
