const reserved = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;
const MAX_BYTES = 200;

/**
 * A file name that any system takes and that stays in its folder: the last part of what may be a path, without separators, control and
 * bidirectional characters, reserved device names, leading and trailing dots and spaces; at most 200 bytes, never empty.
 */
export function safeFileName(name: string | undefined, fallback = 'attachment'): string {
  // What is longer can only be meant to be too long; its extension is at its end.
  const given = (name ?? '').slice(-4096).toWellFormed();
  let clean = (given.split(/[/\\\u2215\u2044\u29f8\uff0f\uff3c]/).at(-1) as string)
    .replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff]/g, '')
    .replace(/[<>:"|?*]/g, '_');
  clean = stripEnds(clean);
  if (reserved.test(clean)) clean = `_${clean}`;
  clean = stripEnds(shorten(clean));
  return clean === '' ? fallback : clean;
}

function stripEnds(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && /[\s.]/.test(text[start] as string)) start++;
  while (end > start && /[\s.]/.test(text[end - 1] as string)) end--;
  return text.slice(start, end);
}

function shorten(text: string): string {
  const encoder = new TextEncoder();
  if (encoder.encode(text).length <= MAX_BYTES) return text;
  const dot = text.lastIndexOf('.');
  const extension = dot > 0 && text.length - dot <= 12 ? text.slice(dot) : '';
  let kept = '';
  let bytes = encoder.encode(extension).length;
  for (const character of text.slice(0, text.length - extension.length)) {
    bytes += encoder.encode(character).length;
    if (bytes > MAX_BYTES) break;
    kept += character;
  }
  return kept + extension;
}
