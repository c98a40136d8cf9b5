// The least that reading a message can cost in plain JavaScript: one buffer, no repairs, no limits, no addresses, no continued parameters.
const decoders = new Map();
function decode(bytes, charset = 'utf-8') {
  if (charset === 'utf-8' || charset === 'us-ascii') return bytes.utf8Slice(0, bytes.length);
  if (charset === 'iso-8859-1') return bytes.latin1Slice(0, bytes.length);
  let decoder = decoders.get(charset);
  if (decoder === undefined) {
    try {
      decoder = new TextDecoder(charset);
    } catch {
      decoder = new TextDecoder('latin1');
    }
    decoders.set(charset, decoder);
  }
  return decoder.decode(bytes);
}

const word = /=\?([^?*]+)(?:\*[^?]*)?\?([bq])\?([^?]*)\?=(?:\s+(?==\?))?/gi;
const words = (text) =>
  text.includes('=?')
    ? text.replace(word, (_, charset, kind, data) =>
        decode(
          kind.toLowerCase() === 'b'
            ? Buffer.from(data, 'base64')
            : quotedPrintable(Buffer.from(data.replaceAll('_', ' '), 'latin1')),
          charset.toLowerCase(),
        ),
      )
    : text;

const parameter = /;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g;
function structured(value = '') {
  const end = value.indexOf(';');
  const result = { value: (end < 0 ? value : value.slice(0, end)).trim().toLowerCase(), parameters: {} };
  if (end >= 0)
    for (const [, name, quoted, plain] of value.matchAll(parameter))
      result.parameters[name.toLowerCase()] = quoted ?? plain;
  return result;
}

const digit = (code) =>
  code >= 48 && code <= 57
    ? code - 48
    : code >= 65 && code <= 70
      ? code - 55
      : code >= 97 && code <= 102
        ? code - 87
        : -1;
function quotedPrintable(bytes) {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let at = 0;
  for (;;) {
    const equals = bytes.indexOf(61, at);
    length += bytes.copy(out, length, at, equals < 0 ? bytes.length : equals);
    if (equals < 0) return out.subarray(0, length);
    const high = digit(bytes[equals + 1]);
    const low = digit(bytes[equals + 2]);
    if (high >= 0 && low >= 0) out[length++] = high * 16 + low;
    at = bytes[equals + 1] === 10 ? equals + 2 : equals + 3;
  }
}

function readHeaders(bytes, start, end) {
  let at = start;
  let blockEnd = end;
  let body = end;
  for (let lf = bytes.indexOf(10, at); lf >= 0 && lf < end; lf = bytes.indexOf(10, at)) {
    if (lf - at < 2 && (lf === at || bytes[at] === 13)) {
      blockEnd = at;
      body = lf + 1;
      break;
    }
    at = lf + 1;
  }
  const text = bytes.utf8Slice(start, blockEnd);
  const fields = [];
  for (const line of text.split(/\r?\n(?![ \t])/)) {
    const colon = line.indexOf(':');
    if (colon > 0)
      fields.push([
        line.slice(0, colon).toLowerCase(),
        words(
          line
            .slice(colon + 1)
            .replace(/\r?\n/g, '')
            .trim(),
        ),
      ]);
  }
  return { fields, body };
}

export function parse(bytes, start = 0, end = bytes.length) {
  const { fields, body } = readHeaders(bytes, start, end);
  const get = (name) => fields.find(([key]) => key === name)?.[1];
  const { value: type, parameters } = structured(get('content-type') ?? 'text/plain');
  const disposition = structured(get('content-disposition'));
  const part = {
    fields,
    type,
    filename: disposition.parameters.filename ?? parameters.name,
    parts: [],
    content: undefined,
  };
  if (type.startsWith('multipart/') && parameters.boundary) {
    const needle = Buffer.from(`--${parameters.boundary}`);
    let open = -1;
    for (let at = bytes.indexOf(needle, body); at >= 0 && at < end; at = bytes.indexOf(needle, at + 1)) {
      if (at > body && bytes[at - 1] !== 10) continue;
      if (open >= 0) part.parts.push(parse(bytes, open, Math.max(open, at - (bytes[at - 2] === 13 ? 2 : 1))));
      const after = at + needle.length;
      const lf = bytes.indexOf(10, after);
      open = lf < 0 ? end : lf + 1;
      if (bytes[after] === 45 && bytes[after + 1] === 45) {
        open = -1;
        break;
      }
    }
    if (open >= 0) part.parts.push(parse(bytes, open, end));
    return part;
  }
  if (type === 'message/rfc822') {
    part.parts.push(parse(bytes, body, end));
    return part;
  }
  const raw = bytes.subarray(body, end);
  const encoding = get('content-transfer-encoding')?.toLowerCase();
  const decoded =
    encoding === 'base64'
      ? Buffer.from(raw.latin1Slice(0, raw.length), 'base64')
      : encoding === 'quoted-printable'
        ? quotedPrintable(raw)
        : raw;
  part.content = type.startsWith('text/') ? decode(decoded, parameters.charset?.toLowerCase()) : decoded;
  return part;
}
