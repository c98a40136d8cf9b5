import { UsageError } from '../errors.ts';
import { HttpClient } from '../http/index.ts';
import { OpenedUrl } from './opened-url.ts';
import { type OpenOptions, dialling } from './options.ts';

/** A GET, redirects followed. ReplyError for a status other than 2xx. */
export async function openHttp(url: string, options: OpenOptions): Promise<OpenedUrl> {
  const { schemes, user, password, headers, signal, allowInsecureAuth } = options;
  const client = new HttpClient({
    ...dialling(options),
    ...(allowInsecureAuth === undefined ? {} : { allowInsecureAuth }),
    interceptors: [
      (request, next) => {
        const scheme = request.url.slice(0, request.url.indexOf(':'));
        if (schemes !== undefined && !schemes.includes(scheme))
          throw new UsageError(`the server redirects to ${scheme}:, which is not among the schemes that may be opened`);
        return next(request);
      },
    ],
  });
  try {
    if ((user === undefined) !== (password === undefined))
      throw new UsageError('give user and password, or neither of them');
    const auth = user === undefined || password === undefined ? undefined : { user, password };
    const response = await client.request(url, { headers, auth, signal });
    await response.expectOk();
    return new OpenedUrl({
      url: response.url,
      headers: response.headers,
      sizeBytes: response.headers.has('content-encoding') ? undefined : response.sizeBytes,
      source: response.stream(),
      close: () => client.close(),
    });
  } catch (error) {
    await client.close();
    throw error;
  }
}
