import sax from 'sax';
import { LimitError, ProtocolError, UsageError, messageOf } from '../../errors.ts';
import { decodeText } from '../../wire/bytes.ts';
import { parseDecimal } from '../../wire/limits.ts';
import { checkGroup, checkMessageId, isMessageId } from './response.ts';

/** One article of a file. */
export interface NzbSegment {
  /** Counts from 1. */
  readonly number: number;
  /** Size of the article as it was posted: a hint. */
  readonly sizeBytes: number;
  /** With angle brackets. */
  readonly messageId: string;
}

export interface NzbFile {
  readonly subject: string;
  readonly poster: string;
  readonly date: Date | null;
  readonly groups: readonly string[];
  readonly segments: readonly NzbSegment[];
}

/** A list of files on Usenet. */
export interface Nzb {
  /** What the head says: title, password, category. */
  readonly meta: ReadonlyMap<string, readonly string[]>;
  readonly files: readonly NzbFile[];
}

const MAX_SEGMENTS = 2_000_000;
const MAX_DEPTH = 20;

/** Reads an NZB. ProtocolError for what is none; segments that name no article are left out. Entities of its own are never expanded. */
export function parseNzb(source: string | Uint8Array): Nzb {
  const meta = new Map<string, string[]>();
  const files: { -readonly [Key in keyof NzbFile]: NzbFile[Key] }[] = [];
  let groups: string[] = [];
  let segments: NzbSegment[] = [];
  let attributes: Readonly<Record<string, string>> = {};
  let text = '';
  let depth = 0;
  let count = 0;
  let found = false;
  const parser = sax.parser(true, { strictEntities: true } as sax.SAXOptions);
  const fail = (why: string): never => {
    throw new ProtocolError(`this is no NZB: ${why}`, { reason: 'NZB', reusable: true });
  };
  parser.onerror = (error) => {
    throw error;
  };
  parser.onopentag = (tag) => {
    const name = localName(tag.name);
    if (++depth > MAX_DEPTH) fail('elements are nested too deep');
    if (name === 'nzb') found = true;
    attributes = tag.attributes as Record<string, string>;
    text = '';
    if (name === 'file') {
      groups = [];
      segments = [];
      const seconds = parseDecimal(attributes['date'] ?? '');
      files.push({
        subject: attributes['subject'] ?? '',
        poster: attributes['poster'] ?? '',
        date: seconds === undefined || seconds > 8.64e12 ? null : new Date(seconds * 1000),
        groups,
        segments,
      });
    }
  };
  parser.ontext = (piece) => (text += piece);
  parser.oncdata = (piece) => (text += piece);
  parser.onclosetag = (tag) => {
    const name = localName(tag);
    const value = text.trim();
    depth--;
    if (name === 'group' && value !== '') groups.push(value);
    else if (name === 'meta') {
      const key = attributes['type'] ?? '';
      meta.set(key, [...(meta.get(key) ?? []), value]);
    } else if (name === 'segment') {
      if (++count > MAX_SEGMENTS) throw new LimitError(`the NZB has more than ${MAX_SEGMENTS} segments`);
      const messageId = value.startsWith('<') ? value : `<${value}>`;
      const number = parseDecimal(attributes['number'] ?? '');
      if (number !== undefined && number >= 1 && isMessageId(messageId))
        segments.push({ number, sizeBytes: parseDecimal(attributes['bytes'] ?? '') ?? 0, messageId });
    }
    text = '';
  };
  try {
    parser.write(typeof source === 'string' ? source : decodeText(source)).close();
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof LimitError) throw error;
    fail(messageOf(error).split('\n')[0] as string);
  }
  if (!found) fail('it has no nzb element');
  // Twice the same number is once too often.
  const clean = (list: readonly NzbSegment[]): NzbSegment[] =>
    [...new Map(list.map((segment) => [segment.number, segment])).values()].sort((a, b) => a.number - b.number);
  return { meta, files: files.map((file) => ({ ...file, segments: clean(file.segments) })) };
}

const localName = (name: string): string => name.slice(name.indexOf(':') + 1).toLowerCase();

/** Writes an NZB. UsageError for what is no message-id, or no group. */
export function formatNzb(nzb: {
  readonly meta?: Nzb['meta'] | undefined;
  readonly files: readonly NzbFile[];
}): string {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE nzb PUBLIC "-//newzBin//DTD NZB 1.1//EN" "http://www.newzbin.com/DTD/nzb/nzb-1.1.dtd">',
    '<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">',
  ];
  if (nzb.meta !== undefined && nzb.meta.size > 0) {
    lines.push(' <head>');
    for (const [type, values] of nzb.meta)
      for (const value of values) lines.push(`  <meta type="${escapeXml(type)}">${escapeXml(value)}</meta>`);
    lines.push(' </head>');
  }
  for (const { subject, poster, date, groups, segments } of nzb.files) {
    const seconds = Math.floor((date?.getTime() ?? 0) / 1000);
    lines.push(` <file poster="${escapeXml(poster)}" date="${seconds}" subject="${escapeXml(subject)}">`, '  <groups>');
    for (const group of groups) lines.push(`   <group>${escapeXml(checkGroup(group))}</group>`);
    lines.push('  </groups>', '  <segments>');
    for (const { number, sizeBytes, messageId } of segments) {
      if (!Number.isSafeInteger(number) || number < 1) throw new UsageError('segments count from 1');
      const id = escapeXml(checkMessageId(messageId).slice(1, -1));
      lines.push(`   <segment bytes="${sizeBytes}" number="${number}">${id}</segment>`);
    }
    lines.push('  </segments>', ' </file>');
  }
  lines.push('</nzb>', '');
  return lines.join('\n');
}

/** What XML cannot hold at all is left out. */
const escapeXml = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"'\r\n\t]/g, (character) => `&#${character.charCodeAt(0)};`);

/** The file's name in a subject such as `[1/9] "name.bin" yEnc (1/20)`; undefined where there is none. */
export function nameInSubject(subject: string): string | undefined {
  const short = subject.slice(0, 2000);
  return /"([^"]{1,255})"/.exec(short)?.[1] ?? /(?:^|\s)([^\s"]{1,200}\.[A-Za-z0-9]{1,10}) yEnc/.exec(short)?.[1];
}
