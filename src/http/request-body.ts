import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { UsageError } from '../errors.ts';
import { mediaTypeOf } from '../mime/index.ts';
import { type ByteSource, iterateBytes } from '../wire/byte-stream.ts';
import { encodeText } from '../wire/bytes.ts';
import { wholeNumber } from '../wire/limits.ts';
import type { HttpFields } from './fields.ts';
import type { OutgoingBody } from './outgoing-body.ts';
import { type MultipartPart, multipartBody } from './multipart.ts';

/** What a request can carry. A function is called for each attempt: so a stream can be sent again after a redirect or a retry. */
export type HttpBody = ByteSource | URLSearchParams | { readonly file: string } | (() => ByteSource);

/** At most one of these says what is sent. */
export interface BodyOptions {
  readonly body?: HttpBody | undefined;
  /** Sent as application/json. */
  readonly json?: unknown;
  /** Sent as application/x-www-form-urlencoded. */
  readonly form?: Readonly<Record<string, string | number | boolean>> | URLSearchParams | undefined;
  /** Sent as multipart/form-data, streamed. @see RFC 7578 */
  readonly multipart?: readonly MultipartPart[] | Readonly<Record<string, string>> | undefined;
  /** Bytes of `body`, where it is a stream and they are known: then it is not chunked, and must have exactly so many. */
  readonly sizeBytes?: number | undefined;
  /** Sent behind a chunked body. */
  readonly trailers?: (() => HttpFields | Promise<HttpFields>) | undefined;
}

export const bodyOptionNames = ['body', 'json', 'form', 'multipart', 'sizeBytes', 'trailers'] as const;

export function hasBody(options: BodyOptions): boolean {
  return (
    options.body !== undefined ||
    options.json !== undefined ||
    options.form !== undefined ||
    options.multipart !== undefined
  );
}

/** Reads what is to be sent. UsageError when it is said twice, or is none of the kinds. */
export async function readBody(options: BodyOptions): Promise<OutgoingBody> {
  const given = (['body', 'json', 'form', 'multipart'] as const).filter((name) => options[name] !== undefined);
  if (given.length > 1) throw new UsageError(`give one of ${given.join(' and ')}, not both`);
  const body = await readKind(options);
  const { sizeBytes, trailers } = options;
  if (sizeBytes !== undefined) {
    wholeNumber('sizeBytes', sizeBytes);
    if (trailers !== undefined) throw new UsageError('a body of known size cannot have trailers: leave out sizeBytes');
    if (body.byteCount !== undefined && body.byteCount !== sizeBytes)
      throw new UsageError(`sizeBytes is ${sizeBytes}, and the body has ${body.byteCount} bytes`);
    return { ...body, byteCount: sizeBytes };
  }
  // Trailers need chunks.
  return trailers === undefined ? body : { ...body, bytes: undefined, byteCount: undefined, trailers };
}

async function readKind(options: BodyOptions): Promise<OutgoingBody> {
  const { body, json, form, multipart } = options;
  if (json !== undefined) {
    const text = JSON.stringify(json) as string | undefined;
    if (text === undefined) throw new UsageError('json is a value that JSON has no form for');
    return held(encodeText(text), 'application/json');
  }
  if (form !== undefined) {
    const fields = form instanceof URLSearchParams ? form : new URLSearchParams(asTexts(form));
    return held(encodeText(fields.toString()), 'application/x-www-form-urlencoded');
  }
  if (multipart !== undefined) return multipartBody(multipart);
  if (typeof body === 'string') return held(encodeText(body), 'text/plain; charset=utf-8');
  if (body instanceof Uint8Array) return held(body, undefined);
  if (body instanceof ArrayBuffer) return held(new Uint8Array(body), undefined);
  if (body instanceof URLSearchParams)
    return held(encodeText(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8');
  if (typeof body === 'function') return streamed(true, () => iterateBytes(body(), 'body'));
  if (typeof body === 'object' && body !== null && 'file' in body) return fileBody(body.file);
  // Refused now, not in the middle of the request.
  const source = iterateBytes(body as ByteSource, 'body');
  return streamed(false, () => source);
}

const streamed = (replayable: boolean, open: () => AsyncIterable<Uint8Array>): OutgoingBody => ({
  byteCount: undefined,
  contentType: undefined,
  replayable,
  open,
});

/** A file, its type by its name. */
async function fileBody(path: string): Promise<OutgoingBody> {
  const { size } = await stat(path);
  return { byteCount: size, contentType: mediaTypeOf(path), replayable: true, open: () => createReadStream(path) };
}

const held = (bytes: Uint8Array, contentType: string | undefined): OutgoingBody => ({
  bytes,
  byteCount: bytes.length,
  contentType,
  replayable: true,
  open: () => iterateBytes(bytes),
});

function asTexts(form: Readonly<Record<string, string | number | boolean>>): [string, string][] {
  return Object.entries(form).map(([name, value]) => {
    if (!['string', 'number', 'boolean'].includes(typeof value))
      throw new UsageError(`form field ${name} must be a string, a number or a boolean`);
    return [name, String(value)];
  });
}
