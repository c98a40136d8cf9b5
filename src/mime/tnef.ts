import { decodeCharset } from './charset.ts';

/** A file of a TNEF container. */
export interface TnefFile {
  readonly filename: string | undefined;
  readonly bytes: Uint8Array;
}

const SIGNATURE = 0x223e9f78;
const LEVEL_ATTACHMENT = 2;
// Attribute ids without their type, MS-OXTNEF section 2.1.3.3.
const ATTACH_RENDERING = 0x9002;
const ATTACH_DATA = 0x800f;
const ATTACH_TITLE = 0x8010;
const ATTACHMENT_PROPERTIES = 0x9005;
const CODE_PAGE = 0x9007;
// MAPI properties.
const ATTACH_LONG_FILENAME = 0x3707;
const ATTACH_DATA_BIN = 0x3701;

/** The files of a winmail.dat. Stops, with `valid: false`, where a size points outside; never throws. @see MS-OXTNEF section 2 */
export function readTnef(bytes: Uint8Array): { files: TnefFile[]; valid: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const files: { filename: string | undefined; bytes: Uint8Array }[] = [];
  if (bytes.length < 6 || view.getUint32(0, true) !== SIGNATURE) return { files, valid: false };
  let codePage = 'windows-1252';
  let valid = true;
  let at = 6;
  while (at + 9 <= bytes.length) {
    const level = bytes[at] as number;
    const id = view.getUint16(at + 1, true);
    const size = view.getUint32(at + 5, true);
    const start = at + 9;
    const end = start + size;
    // Behind the value is its checksum.
    if (end + 2 > bytes.length) {
      valid = false;
      break;
    }
    const value = bytes.subarray(start, end);
    if (level === LEVEL_ATTACHMENT) {
      if (id === ATTACH_RENDERING) files.push({ filename: undefined, bytes: new Uint8Array(0) });
      const file = files.at(-1);
      if (file !== undefined) {
        if (id === ATTACH_TITLE) file.filename ??= text(value, codePage);
        else if (id === ATTACH_DATA) file.bytes = value;
        else if (id === ATTACHMENT_PROPERTIES) valid = readProperties(value, file, codePage) && valid;
      }
    } else if (id === CODE_PAGE && size >= 4) codePage = `windows-${view.getUint32(start, true)}`;
    at = end + 2;
  }
  if (at !== bytes.length && valid && bytes.length - at > 2) valid = false;
  return { files: files.filter((file) => file.filename !== undefined || file.bytes.length > 0), valid };
}

function text(value: Uint8Array, codePage: string): string {
  const end = value.indexOf(0);
  return decodeCharset(end < 0 ? value : value.subarray(0, end), codePage).text;
}

/** Bytes of the property types with a fixed size. */
const fixedSizes: Readonly<Record<number, number>> = {
  2: 4,
  3: 4,
  4: 4,
  5: 8,
  6: 8,
  7: 8,
  10: 4,
  11: 4,
  20: 8,
  64: 8,
  72: 16,
};

/** A property list, MS-OXTNEF section 2.1.3.4: count, then tag, name for named ones, and the value padded to four bytes. */
function readProperties(
  bytes: Uint8Array,
  file: { filename: string | undefined; bytes: Uint8Array },
  codePage: string,
): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) return false;
  const count = view.getUint32(0, true);
  let at = 4;
  for (let index = 0; index < count; index++) {
    if (at + 4 > bytes.length) return false;
    const type = view.getUint16(at, true);
    const id = view.getUint16(at + 2, true);
    at += 4;
    if (id >= 0x8000) {
      if (at + 24 > bytes.length) return false;
      const kind = view.getUint32(at + 16, true);
      const length = view.getUint32(at + 20, true);
      at += kind === 0 ? 20 + 4 : 24 + padded(length);
    }
    const multiple = (type & 0x1000) !== 0;
    const base = type & 0xfff;
    const fixed = fixedSizes[base];
    let values = 1;
    if (multiple || fixed === undefined) {
      if (at + 4 > bytes.length) return false;
      values = view.getUint32(at, true);
      at += 4;
    }
    if (fixed !== undefined) {
      at += values * fixed;
      continue;
    }
    for (let number = 0; number < values; number++) {
      if (at + 4 > bytes.length) return false;
      const length = view.getUint32(at, true);
      const start = at + 4;
      if (start + length > bytes.length) return false;
      const value = bytes.subarray(start, start + length);
      if (id === ATTACH_LONG_FILENAME)
        file.filename = (base === 0x1f ? new TextDecoder('utf-16le').decode(value) : text(value, codePage)).replace(
          /\0.*$/s,
          '',
        );
      else if (id === ATTACH_DATA_BIN && file.bytes.length === 0)
        file.bytes = base === 0x0d ? value.subarray(16) : value;
      at = start + padded(length);
    }
  }
  return true;
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
