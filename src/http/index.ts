import { HttpClient } from './client.ts';
import type { HttpRequestOptions } from './options.ts';
import type { HttpResponse } from './response.ts';

export type { HttpAuth } from './auth.ts';
export { HttpClient, type HttpUpgrade } from './client.ts';
export type { HttpRange } from './byte-ranges.ts';
export { HttpCache, type HttpCacheOptions } from './cache.ts';
export type { CookieStore } from './cookies.ts';
export { type DownloadOptions, type DownloadResult, download } from './download.ts';
export { type EventOptions, type ServerEvent, events } from './event-stream.ts';
export type { UploadProgress } from './exchange.ts';
export { HttpFields, type HttpFieldsInit } from './fields.ts';
export type { MultipartPart } from './multipart.ts';
export type { HttpClientOptions, HttpInterceptor, HttpRequest, HttpRequestOptions } from './options.ts';
export type { OutgoingBody } from './outgoing-body.ts';
export type { BodyOptions, HttpBody } from './request-body.ts';
export type { DownloadProgress } from './response-body.ts';
export { HttpResponse } from './response.ts';
export type { RetryOptions } from './retry.ts';

export {
  XmlRpcClient,
  XmlRpcFault,
  type XmlRpcHandlers,
  type XmlRpcMethods,
  xmlRpc,
  xmlRpcDispatcher,
} from './xml-rpc.ts';
export { XmlRpcTyped, type XmlRpcValue, xmlRpcTyped } from './xml-rpc-codec.ts';

let shared: HttpClient | undefined;

/**
 * One request, on connections that all such calls share. `HttpClient` has options of its own: cookies, trust, time.
 *
 *     const page = await (await request('https://example.com/')).text();
 */
export function request(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
  shared ??= new HttpClient();
  return shared.request(url, options);
}
