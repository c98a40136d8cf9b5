import { isAscii, latin1, utf8 } from '../wire/bytes.ts';
import { decodeHz, decodeIso2022Kr, decodeUtf7 } from './stateful-charsets.ts';

/** How text was decoded. */
export interface CharsetInfo {
  /** The label of the message, lower-cased; undefined where there is none. */
  readonly declared: string | undefined;
  /** The name of the charset that was used. */
  readonly used: string;
  /** True when some bytes had no meaning in it, or the declared one is unknown. */
  readonly hadErrors: boolean;
}

export interface DecodedText {
  readonly text: string;
  readonly charset: CharsetInfo;
}

interface NodeBuffer {
  readonly isAscii?: (this: void, bytes: Uint8Array) => boolean;
  readonly isUtf8?: (this: void, bytes: Uint8Array) => boolean;
}
interface NodeModule {
  createRequire(from: string): (name: string) => unknown;
}
interface IconvLite {
  encodingExists(label: string): boolean;
  decode(bytes: Uint8Array, label: string): string;
}

type Builtins = (name: string) => unknown;
const builtins = (globalThis as { process?: { getBuiltinModule?: Builtins } }).process?.getBuiltinModule;
const nodeBuffer = builtins?.('node:buffer') as NodeBuffer | undefined;
const ascii = nodeBuffer?.isAscii ?? isAscii;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function validUtf8(bytes: Uint8Array): boolean {
  if (nodeBuffer?.isUtf8) return nodeBuffer.isUtf8(bytes);
  try {
    strictUtf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Labels in use that the encoding standard does not list. */
const aliases: Readonly<Record<string, string>> = {
  cp932: 'shift_jis',
  'windows-932': 'shift_jis',
  cp936: 'gbk',
  'windows-936': 'gbk',
  cp949: 'euc-kr',
  ms949: 'euc-kr',
  uhc: 'euc-kr',
  cp950: 'big5',
  cp1252: 'windows-1252',
  utf8mb4: 'utf-8',
  'utf-8-sig': 'utf-8',
  cp65001: 'utf-8',
  '646': 'us-ascii',
  ascii: 'us-ascii',
  'us-ascii': 'us-ascii',
  'ansi_x3.4-1968': 'us-ascii',
  '7bit': 'us-ascii',
  utf7: 'utf-7',
  'utf-7': 'utf-7',
  'unicode-1-1-utf-7': 'utf-7',
  'x-unicode-2-0-utf-7': 'utf-7',
  'iso-2022-kr': 'iso-2022-kr',
  csiso2022kr: 'iso-2022-kr',
  'hz-gb-2312': 'hz-gb-2312',
  hz: 'hz-gb-2312',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-2': 'iso-2022-jp',
  'iso-2022-jp-3': 'iso-2022-jp',
};

/** What goes on to iconv-lite: families that TextDecoder lacks. No other label reaches its tables. */
const iconvFamilies =
  /^(?:(?:cp|ibm)-?\d{3,5}|utf-?32(?:le|be)?|mac-?(?:roman|cyrillic|greek|turkish|croatian|iceland|romania|thai|ukraine|centeuro|centraleurope)|x-mac-[a-z]{3,12}|tis-?620|viscii|tcvn|armscii-?8|rk-?1048|koi8-?(?:t|ru)|georgian-?(?:academy|ps)|hp-?roman8|pt-?154|tcvn5712-1|iso-?8859-?(?:9|11)|big5-?hkscs|euc-?tw)$/;

let iconv: IconvLite | null | undefined;

/** iconv-lite, where modules can be loaded synchronously: in Node. A browser has its TextDecoder. */
function loadIconv(): IconvLite | null {
  if (iconv !== undefined) return iconv;
  try {
    const module = builtins?.('node:module') as NodeModule | undefined;
    iconv = (module?.createRequire(import.meta.url)('iconv-lite') as IconvLite | undefined) ?? null;
  } catch {
    iconv = null;
  }
  return iconv;
}

const MAX_LABEL = 64;

/** Decodes all of `bytes`. */
interface Charset {
  readonly name: string;
  decode(bytes: Uint8Array): string;
}

const known = new Map<string, Charset | null>();

/** The decoder of a label, or null for an unknown one. */
function findCharset(label: string): Charset | null {
  const cached = known.get(label);
  if (cached !== undefined) return cached;
  const found = makeCharset(aliases[label] ?? label);
  // Labels come from mail: only what names a charset is kept.
  if (found !== null && known.size < 500) known.set(label, found);
  return found;
}

function makeCharset(name: string): Charset | null {
  switch (name) {
    case 'us-ascii':
      return { name, decode: (bytes) => latin1(bytes) };
    case 'utf-7':
      return { name, decode: decodeUtf7 };
    case 'iso-2022-kr':
      return { name, decode: decodeIso2022Kr };
    case 'hz-gb-2312':
      return { name, decode: decodeHz };
    default:
  }
  try {
    const decoder = new TextDecoder(name);
    const used = decoder.encoding;
    if (used === 'utf-8') return { name: used, decode: (bytes) => withoutMark(utf8(bytes)) };
    if (used === 'windows-1252') return { name: used, decode: decodeWindows1252 };
    // One shot: the decoder keeps nothing between calls.
    return { name: used, decode: (bytes) => decoder.decode(bytes) };
  } catch {
    if (!iconvFamilies.test(name)) return null;
    const converter = loadIconv();
    if (converter === null || !converter.encodingExists(name)) return null;
    return { name, decode: (bytes) => converter.decode(bytes, name) };
  }
}

const c1 =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

// By hand: some releases of Node decode this label as ISO-8859-1, and the converter is slower than a look-up.
function decodeWindows1252(bytes: Uint8Array): string {
  return latin1(bytes).replace(/[\u0080-\u009f]/g, (character) => c1[character.charCodeAt(0) - 0x80] as string);
}

function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** A label as mail has it, made comparable. */
function normalise(label: string | undefined): string | undefined {
  if (label === undefined) return undefined;
  const clean = label
    .slice(0, MAX_LABEL * 2)
    .replace(/^[\s"']+|[\s"']+$/g, '')
    .toLowerCase();
  return clean === '' ? undefined : clean.slice(0, MAX_LABEL);
}

/** True when the label names a charset that can be decoded. */
export function isKnownCharset(label: string): boolean {
  const name = normalise(label);
  return name !== undefined && findCharset(name) !== null;
}

export interface DecodeTextOptions {
  /** The text is html: its meta element may name the charset. */
  readonly html?: boolean | undefined;
  /** Used when nothing else fits. Default 'windows-1252'. */
  readonly fallback?: string | undefined;
}

/**
 * Decodes text by the first that fits: the declared charset, a byte-order mark, the meta element of html, UTF-8 if the bytes are valid, the
 * fallback. Never throws; `charset` says what happened.
 */
export function decodeCharset(
  bytes: Uint8Array,
  label: string | undefined,
  options: DecodeTextOptions = {},
): DecodedText {
  const declared = normalise(label);
  const plain = declared === undefined || declared === 'utf-8' || declared === 'us-ascii';
  if (plain && ascii(bytes))
    return { text: latin1(bytes), charset: { declared, used: declared ?? 'us-ascii', hadErrors: false } };
  if (declared === 'utf-8') {
    const hadErrors = !validUtf8(bytes);
    return { text: withoutMark(utf8(bytes)), charset: { declared, used: 'utf-8', hadErrors } };
  }
  const charset = declared === undefined ? null : findCharset(declared);
  if (charset !== null && charset.name !== 'us-ascii') {
    const text = charset.decode(bytes);
    return { text, charset: { declared, used: charset.name, hadErrors: text.includes('\ufffd') } };
  }
  if (charset !== null && ascii(bytes))
    return { text: latin1(bytes), charset: { declared, used: 'us-ascii', hadErrors: false } };
  const guess = guessCharset(bytes, options);
  const text = guess.decode(bytes);
  return {
    text,
    charset: { declared, used: guess.name, hadErrors: declared !== undefined || text.includes('\ufffd') },
  };
}

function guessCharset(bytes: Uint8Array, options: DecodeTextOptions): Charset {
  const mark =
    bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
      ? 'utf-8'
      : bytes[0] === 0xff && bytes[1] === 0xfe
        ? 'utf-16le'
        : bytes[0] === 0xfe && bytes[1] === 0xff
          ? 'utf-16be'
          : undefined;
  if (mark !== undefined) return findCharset(mark) as Charset;
  if (options.html === true) {
    const head = latin1(bytes, 0, Math.min(bytes.length, 4096));
    const meta = /<meta\b[^>]{0,300}?charset\s{0,5}=\s{0,5}["']?([\w.:-]{2,40})/i.exec(head);
    const named = meta === null ? null : findCharset((meta[1] as string).toLowerCase());
    // It could be read as ASCII, so it is not UTF-16, whatever it says.
    if (named !== null && !named.name.startsWith('utf-16') && named.name !== 'us-ascii') return named;
  }
  if (validUtf8(bytes)) return findCharset('utf-8') as Charset;
  return findCharset(normalise(options.fallback) ?? 'windows-1252') ?? (findCharset('windows-1252') as Charset);
}

/** Header bytes that are not ASCII, as one character a byte: UTF-8 where valid (RFC 6532), else the fallback. */
export function decodeRawHeader(text: string, fallback?: string): { text: string; valid: boolean } {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  if (validUtf8(bytes)) return { text: utf8(bytes), valid: true };
  return { text: guessCharset(bytes, { fallback }).decode(bytes), valid: false };
}
