import { encodeText } from '../wire/bytes.ts';
import type { MessageDraft } from './compose.ts';
import { decodeBase64 } from './encodings/base64-decode.ts';
import { randomHex } from './random.ts';
import type { FilePartOptions } from './part.ts';

// In quotes, or in the brackets of css: one run without quotes, spaces and brackets.
const dataUri =
  /(["'(])data:((?:image|audio|video|font)\/[A-Za-z0-9.+-]{1,60})((?:;[A-Za-z0-9=_.+-]{1,60}){0,5}),([^"'()<>\s]*)/gi;

/**
 * The draft with the `data:` URIs of its html as attachments with a `cid`: most mail clients show no `data:` image. One that is used twice is
 * attached once. For `prepare` of `sendMail`, or before `compose`. @see RFC 2397, RFC 2392
 */
export function attachDataUris<D extends MessageDraft>(draft: D): D {
  if (typeof draft.html !== 'string' || !/data:/i.test(draft.html)) return draft;
  const made = new Map<string, FilePartOptions>();
  const html = draft.html.replace(
    dataUri,
    (whole: string, open: string, type: string, parameters: string, data: string) => {
      const content = readData(data, /;base64$/i.test(parameters));
      if (content === undefined) return whole;
      const key = `${type};${data}`;
      let file = made.get(key);
      if (file === undefined) {
        const extension = /^[a-z]+\/([a-z0-9]+)/i.exec(type)?.[1]?.toLowerCase() ?? 'bin';
        const filename = `image-${made.size + 1}.${extension === 'jpeg' ? 'jpg' : extension}`;
        file = { content, type: type.toLowerCase(), filename, cid: `${randomHex(12)}@data` };
        made.set(key, file);
      }
      return `${open}cid:${file.cid ?? ''}`;
    },
  );
  if (made.size === 0) return draft;
  return { ...draft, html, attachments: [...(draft.attachments ?? []), ...made.values()] };
}

function readData(data: string, base64: boolean): Uint8Array | undefined {
  try {
    const text = decodeURIComponent(data);
    return base64 ? decodeBase64(encodeText(text)) : encodeText(text);
  } catch {
    // Not a URI: it stays as it is.
    return undefined;
  }
}
