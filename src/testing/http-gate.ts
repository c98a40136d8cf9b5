import { createHash, randomBytes } from 'node:crypto';
import { parseChallenges } from '../http/challenge.ts';
import { DigestSession } from '../http/digest.ts';
import type { HttpRequestHead } from '../http/codec.ts';
import type { FakeHttpReply, FakeHttpRequest } from './http-messages.ts';

/** Who may enter. With `users` or `tokens` of the server's options a login is needed. */
export interface HttpGateOptions {
  readonly users?: Readonly<Record<string, string>> | undefined;
  readonly tokens?: Readonly<Record<string, string>> | undefined;
  /** What is asked for. Default 'basic'. */
  readonly auth?: 'basic' | 'digest' | 'bearer' | undefined;
  /** For Digest. Default 'SHA-256'. */
  readonly algorithm?: 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess' | 'SHA-512-256' | undefined;
  readonly qop?: 'auth' | 'auth-int' | undefined;
  readonly userHash?: boolean | undefined;
  /** Requests that one nonce serves; then it is stale. Default: any number. */
  readonly nonceUses?: number | undefined;
  /** A proxy asks for these by Basic. */
  readonly proxyUsers?: Readonly<Record<string, string>> | undefined;
}

export interface HttpGate {
  /** The refusal of a request; undefined for one that may enter. */
  refuses(request: FakeHttpRequest): FakeHttpReply | undefined;
  admitsProxy(head: HttpRequestHead): boolean;
  proxyChallenge(): FakeHttpReply;
}

const REALM = 'postwire fake';

/** The login of a fake HTTP server. Digest answers are checked by making them anew. */
export function openGate(options: HttpGateOptions): HttpGate {
  const { users, tokens, auth = 'basic', algorithm = 'SHA-256', qop = 'auth', userHash = false } = options;
  const nonces = new Map<string, { uses: number; lastCount: number }>();

  const challenge = (stale: boolean): FakeHttpReply => {
    const nonce = randomBytes(16).toString('hex');
    if (auth === 'digest') nonces.set(nonce, { uses: 0, lastCount: 0 });
    const digest = `Digest realm="${REALM}", qop="${qop}", algorithm=${algorithm}, nonce="${nonce}", opaque="o"`;
    const field =
      auth === 'digest'
        ? `${digest}${userHash ? ', userhash=true' : ''}${stale ? ', stale=true' : ''}`
        : auth === 'bearer'
          ? `Bearer realm="${REALM}"`
          : `Basic realm="${REALM}", charset="UTF-8"`;
    return {
      status: 401,
      headers: { 'WWW-Authenticate': field, 'Content-Type': 'text/plain' },
      body: 'login needed\n',
    };
  };

  const digestVerdict = (request: FakeHttpRequest, given: ReadonlyMap<string, string>): 'in' | 'out' | 'stale' => {
    const nonce = given.get('nonce') ?? '';
    const state = nonces.get(nonce);
    const count = Number.parseInt(given.get('nc') ?? '', 16);
    if (state === undefined || state.uses >= (options.nonceUses ?? Number.POSITIVE_INFINITY)) return 'stale';
    const realmHash = (user: string): string =>
      createHash(algorithm.startsWith('MD5') ? 'md5' : algorithm === 'SHA-512-256' ? 'sha512-256' : 'sha256')
        .update(`${user}:${REALM}`)
        .digest('hex');
    const claimed = given.get('username');
    const entry = Object.entries(users ?? {}).find(([user]) => (userHash ? realmHash(user) : user) === claimed);
    // A count that does not grow is a replay.
    if (entry === undefined || !(count > state.lastCount) || given.get('uri') !== request.target) return 'out';
    const parameters = new Map([
      ['realm', REALM],
      ['nonce', nonce],
      ['qop', qop],
      ['algorithm', algorithm],
      ['opaque', 'o'],
    ]);
    if (userHash) parameters.set('userhash', 'true');
    const session = new DigestSession({ scheme: 'digest', parameters }, given.get('cnonce') ?? '');
    let expected = '';
    for (let turn = 0; turn < Math.min(count, 1000); turn++)
      expected = session.authorize({
        user: entry[0],
        password: entry[1],
        method: request.method,
        uri: request.target,
        body: request.body,
      });
    const wanted = parseChallenges([expected])[0]?.parameters.get('response');
    if (wanted === undefined || wanted !== given.get('response')) return 'out';
    state.uses++;
    state.lastCount = count;
    return 'in';
  };

  return {
    refuses(request) {
      if (users === undefined && tokens === undefined) return undefined;
      const field = request.headers.get('authorization');
      if (field === undefined) return challenge(false);
      if (auth === 'digest') {
        const [given] = parseChallenges([field]);
        const verdict = given?.scheme === 'digest' ? digestVerdict(request, given.parameters) : 'out';
        return verdict === 'in' ? undefined : challenge(verdict === 'stale');
      }
      if (auth === 'bearer')
        return Object.values(tokens ?? {}).some((token) => field === `Bearer ${token}`) ? undefined : challenge(false);
      return isBasicOf(field, users) ? undefined : challenge(false);
    },
    admitsProxy: (head) =>
      options.proxyUsers === undefined || isBasicOf(head.headers.get('proxy-authorization') ?? '', options.proxyUsers),
    proxyChallenge: () => ({
      status: 407,
      headers: { 'Proxy-Authenticate': `Basic realm="${REALM}"` },
      body: 'the proxy needs a login\n',
    }),
  };
}

function isBasicOf(field: string, users: Readonly<Record<string, string>> | undefined): boolean {
  const match = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(field);
  const pair = Buffer.from(match?.[1] ?? '', 'base64').toString();
  return Object.entries(users ?? {}).some(([user, password]) => pair === `${user}:${password}`);
}
