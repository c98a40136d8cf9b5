import { createSign } from 'node:crypto';
import { AuthError, ConnectError, UsageError } from '../errors.ts';
import { HttpClient } from '../http/index.ts';
import type { TokenRequest } from '../sasl/index.ts';
import { checkOptions } from '../wire/arguments.ts';

/** How access tokens are to be had. One of `refreshToken`, `serviceAccount`, or `clientSecret` alone (client credentials). */
export interface OAuth2Options {
  /** Fills in `tokenUrl` and `scope`. */
  readonly preset?: 'google' | 'microsoft' | undefined;
  /** Microsoft's tenant. Default 'common'. */
  readonly tenant?: string | undefined;
  readonly tokenUrl?: string | undefined;
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly refreshToken?: string | undefined;
  /** Google's service accounts: who it is, its key, and the mailbox that it acts for. @see RFC 7523 */
  readonly serviceAccount?:
    { readonly email: string; readonly privateKey: string; readonly user?: string | undefined } | undefined;
  readonly scope?: string | undefined;
  /** Hears of a new refresh token: some providers give one with each access token, and the old one ends. */
  readonly onRefreshToken?: ((refreshToken: string) => unknown) | undefined;
  /** For the token's connection. */
  readonly tls?: { readonly ca?: string | undefined } | undefined;
  readonly timeoutMs?: number | undefined;
}

const keys = [
  'preset',
  'tenant',
  'tokenUrl',
  'clientId',
  'clientSecret',
  'refreshToken',
  'serviceAccount',
  'scope',
  'onRefreshToken',
  'tls',
  'timeoutMs',
];

const presets = {
  google: { tokenUrl: () => 'https://oauth2.googleapis.com/token', scope: 'https://mail.google.com/' },
  microsoft: {
    tokenUrl: (tenant: string) => `https://login.microsoftonline.com/${encodeURIComponent(tenant)}/oauth2/v2.0/token`,
    scope: undefined,
  },
} as const;

/** A token is asked for anew so long before it ends. */
const MARGIN_MS = 60_000;
const DEFAULT_SECONDS = 300;
const MAX_ANSWER = 256 * 1024;

/**
 * A `token` for logins that need OAuth 2: fetches an access token, keeps it until a minute before it ends, and fetches another when a server
 * refuses it. Logins at the same time share one request.
 *
 *     await sendMail(provider('gmail').smtp, draft, { user: 'me@gmail.com', token: oauth2Refresh({ preset: 'google', clientId, clientSecret, refreshToken }) });
 *
 * The function rejects with AuthError when the provider refuses (`error.oauth` has its answer), ConnectError or TimeoutError when it cannot
 * be asked. @see RFC 6749 section 6
 */
export function oauth2Refresh(options: OAuth2Options): (request?: TokenRequest) => Promise<string> {
  checkOptions('oauth2Refresh', options, keys);
  const { tokenUrl, form } = readOptions(options);
  let current: { readonly token: string; readonly goodUntil: number } | undefined;
  let refreshToken = options.refreshToken;
  let asking: Promise<string> | undefined;
  const ask = async (): Promise<string> => {
    const answer = await post(tokenUrl, form(refreshToken), options);
    const { access_token: token, expires_in: seconds, refresh_token: rotated } = answer;
    if (typeof token !== 'string' || token === '')
      throw new AuthError(`the token server ${tokenUrl.host} answered without an access token`, { reusable: true });
    const life = Number(seconds ?? DEFAULT_SECONDS);
    current = { token, goodUntil: Date.now() + (Number.isFinite(life) ? life : DEFAULT_SECONDS) * 1000 - MARGIN_MS };
    if (typeof rotated === 'string' && rotated !== '' && rotated !== refreshToken) {
      refreshToken = rotated;
      await options.onRefreshToken?.(rotated);
    }
    return token;
  };
  return async (request) => {
    request?.signal?.throwIfAborted();
    if (request?.force !== true && current !== undefined && Date.now() < current.goodUntil) return current.token;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

function readOptions(options: OAuth2Options): {
  readonly tokenUrl: URL;
  readonly form: (refreshToken: string | undefined) => Record<string, string>;
} {
  const { preset, tenant = 'common', clientId, clientSecret, serviceAccount } = options;
  if (preset !== undefined && !Object.hasOwn(presets, preset))
    throw new UsageError(`preset must be google or microsoft; got ${JSON.stringify(preset)}`);
  const given = options.tokenUrl ?? (preset === undefined ? undefined : presets[preset].tokenUrl(tenant));
  if (given === undefined || !URL.canParse(given))
    throw new UsageError('give a preset, or the URL of the token server');
  const tokenUrl = new URL(given);
  if (tokenUrl.protocol !== 'https:' && !/^(?:localhost|127\.|\[::1\])/.test(tokenUrl.hostname))
    throw new UsageError('tokenUrl must be https: secrets are sent to it');
  const ways = [options.refreshToken, serviceAccount].filter((way) => way !== undefined).length;
  if (ways > 1 || (ways === 0 && clientSecret === undefined))
    throw new UsageError('give one of refreshToken, serviceAccount, or a clientSecret alone');
  if (serviceAccount === undefined && clientId === undefined) throw new UsageError('clientId is missing');
  const scope = options.scope ?? (preset === undefined ? undefined : presets[preset].scope);
  const client: Record<string, string> = {
    ...(clientId !== undefined && { client_id: clientId }),
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
  };
  if (serviceAccount !== undefined)
    return {
      tokenUrl,
      form: () => ({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: assertion(serviceAccount, tokenUrl.href, scope ?? ''),
      }),
    };
  const wanted = options.scope === undefined ? {} : { scope: options.scope };
  return {
    tokenUrl,
    form: (refreshToken) =>
      refreshToken === undefined
        ? {
            grant_type: 'client_credentials',
            ...client,
            scope: scope ?? 'https://outlook.office365.com/.default',
          }
        : { grant_type: 'refresh_token', refresh_token: refreshToken, ...client, ...wanted },
  };
}

/** A signed statement of who asks. @see RFC 7523 section 3 */
function assertion(account: NonNullable<OAuth2Options['serviceAccount']>, audience: string, scope: string): string {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: account.email,
    scope,
    aud: audience,
    iat: now,
    exp: now + 3600,
    ...(account.user !== undefined && { sub: account.user }),
  };
  const text = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}`;
  try {
    return `${text}.${createSign('sha256').update(text).sign(account.privateKey, 'base64url')}`;
  } catch (error) {
    throw new UsageError('serviceAccount.privateKey is not a private key in PEM', { cause: error });
  }
}

async function post(
  url: URL,
  form: Record<string, string>,
  { tls, timeoutMs = 30_000 }: OAuth2Options,
): Promise<Readonly<Record<string, unknown>>> {
  await using http = new HttpClient({ ...(tls !== undefined && { tls }) });
  // Nobody's redirect gets the secrets.
  const response = await http.request(url, {
    method: 'POST',
    form,
    maxRedirects: 0,
    headers: { accept: 'application/json' },
    timeoutMs,
  });
  const text = await response.text(MAX_ANSWER);
  let answer: Readonly<Record<string, unknown>> | undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) answer = parsed as Record<string, unknown>;
  } catch {
    // Said below.
  }
  if (response.status === 200 && answer !== undefined) return answer;
  if (response.status >= 500 || answer === undefined)
    throw new ConnectError(`the token server ${url.host} answered ${response.status} without a token`, {
      temporary: true,
    });
  const error = typeof answer['error'] === 'string' ? answer['error'].slice(0, 100) : String(response.status);
  const why = typeof answer['error_description'] === 'string' ? `: ${answer['error_description'].slice(0, 300)}` : '';
  throw new AuthError(`the token server ${url.host} refused: ${error}${why}`, {
    reason: error,
    reusable: true,
    oauth: answer,
    hint:
      error === 'invalid_grant'
        ? 'the refresh token has ended or was withdrawn: let the user agree once more'
        : error === 'invalid_client'
          ? 'check clientId and clientSecret'
          : undefined,
  });
}
