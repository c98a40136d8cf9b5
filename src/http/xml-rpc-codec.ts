import sax from 'sax';
import { LimitError, ProtocolError, UsageError, messageOf } from '../errors.ts';

/** What XML-RPC can say. bigint is i8, null is nil, bytes are base64; numbers are int where they are whole and fit, else double. */
export type XmlRpcValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | XmlRpcTyped
  | readonly XmlRpcValue[]
  | { readonly [name: string]: XmlRpcValue };

/** A value whose type on the wire is not left to chance: `xmlRpcTyped('double', 1)`. */
export class XmlRpcTyped {
  readonly type: 'int' | 'i8' | 'double' | 'string' | 'boolean';
  readonly value: string | number | bigint | boolean;
  constructor(type: XmlRpcTyped['type'], value: XmlRpcTyped['value']) {
    this.type = type;
    this.value = value;
  }
}

export const xmlRpcTyped = (type: XmlRpcTyped['type'], value: XmlRpcTyped['value']): XmlRpcTyped =>
  new XmlRpcTyped(type, value);

const MAX_DEPTH = 64;
const MAX_VALUES = 1_000_000;
const INT_MAX = 2 ** 31 - 1;
const I8_MAX = 2n ** 63n - 1n;
const methodName = /^[A-Za-z0-9_.:/]+$/;

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' };

function escapeText(text: string): string {
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text) || !text.isWellFormed())
    throw new UsageError('a string has a character that XML cannot carry; send it as bytes');
  return text.replace(/[&<>\r]/g, (character) => escapes[character] as string);
}

function wholeIn(type: string, value: unknown, max: bigint): string {
  const whole = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof whole !== 'bigint' || whole > max || whole < -max - 1n)
    throw new UsageError(`${String(value)} does not fit an XML-RPC ${type}`);
  return whole.toString();
}

function formatDouble(value: unknown): string {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new UsageError(`${String(value)} is no number that XML-RPC can carry`);
  // With an exponent where JavaScript writes one: the specification has none, readers take it, and without it small numbers would be nought.
  return Object.is(value, -0) ? '-0.0' : String(value);
}

function formatTyped({ type, value }: XmlRpcTyped): string {
  if (type === 'int') return `<int>${wholeIn('int', value, BigInt(INT_MAX))}</int>`;
  if (type === 'i8') return `<i8>${wholeIn('i8', value, I8_MAX)}</i8>`;
  if (type === 'double') return `<double>${formatDouble(value)}</double>`;
  if (type === 'boolean') return `<boolean>${value === true ? 1 : 0}</boolean>`;
  return `<string>${escapeText(String(value))}</string>`;
}

function formatDate(value: Date): string {
  if (Number.isNaN(value.getTime()) || value.getUTCFullYear() < 0 || value.getUTCFullYear() > 9999)
    throw new UsageError('a date is invalid, or of a year that XML-RPC cannot carry');
  return value.toISOString().slice(0, 19).replaceAll('-', '');
}

/** `<value>…</value>`. UsageError for what XML-RPC has no form for, and for what lies deeper than 64. */
function formatValue(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) throw new UsageError(`the value is nested deeper than ${MAX_DEPTH}, or in itself`);
  if (typeof value === 'string') return `<value><string>${escapeText(value)}</string></value>`;
  if (typeof value === 'boolean') return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (typeof value === 'bigint') return `<value><i8>${wholeIn('i8', value, I8_MAX)}</i8></value>`;
  if (value === null) return '<value><nil/></value>';
  if (typeof value === 'number') {
    const whole = Number.isInteger(value) && Math.abs(value) <= INT_MAX && !Object.is(value, -0);
    return whole ? `<value><int>${value}</int></value>` : `<value><double>${formatDouble(value)}</double></value>`;
  }
  if (value instanceof XmlRpcTyped) return `<value>${formatTyped(value)}</value>`;
  if (value instanceof Date) return `<value><dateTime.iso8601>${formatDate(value)}</dateTime.iso8601></value>`;
  if (value instanceof Uint8Array) return `<value><base64>${Buffer.from(value).toString('base64')}</base64></value>`;
  if (Array.isArray(value))
    return `<value><array><data>${value.map((each) => formatValue(each, depth + 1)).join('')}</data></array></value>`;
  if (typeof value !== 'object') throw new UsageError(`XML-RPC has no form for ${typeof value}`);
  const members = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([name, each]) => `<member><name>${escapeText(name)}</name>${formatValue(each, depth + 1)}</member>`);
  return `<value><struct>${members.join('')}</struct></value>`;
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** A call as it is posted. */
export function encodeXmlRpcCall(method: string, parameters: readonly unknown[]): string {
  if (!methodName.test(method)) throw new UsageError(`${JSON.stringify(method)} is not an XML-RPC method name`);
  const values = parameters.map((each) => `<param>${formatValue(each)}</param>`).join('');
  return `${DECLARATION}<methodCall><methodName>${method}</methodName><params>${values}</params></methodCall>`;
}

export function encodeXmlRpcResult(value: unknown): string {
  return `${DECLARATION}<methodResponse><params><param>${formatValue(value)}</param></params></methodResponse>`;
}

export function encodeXmlRpcFault(faultCode: number, faultString: string): string {
  return `${DECLARATION}<methodResponse><fault>${formatValue({ faultCode, faultString })}</fault></methodResponse>`;
}

/** What was sent: a call, a result, or a fault. */
export type XmlRpcMessage =
  | { readonly kind: 'call'; readonly method: string; readonly parameters: readonly XmlRpcValue[] }
  | { readonly kind: 'result'; readonly value: XmlRpcValue }
  | { readonly kind: 'fault'; readonly code: number; readonly text: string };

interface Open {
  readonly name: string;
  text: string;
  /** Finished values within. */
  readonly values: XmlRpcValue[];
  readonly members: [string, XmlRpcValue][];
  memberName: string | undefined;
}

const children: Readonly<Record<string, readonly string[]>> = {
  '': ['methodCall', 'methodResponse'],
  methodCall: ['methodName', 'params'],
  methodResponse: ['params', 'fault'],
  params: ['param'],
  param: ['value'],
  fault: ['value'],
  value: ['i4', 'int', 'i8', 'boolean', 'string', 'double', 'dateTime.iso8601', 'base64', 'nil', 'array', 'struct'],
  array: ['data'],
  data: ['value'],
  struct: ['member'],
  member: ['name', 'value'],
};

/**
 * Reads a message. Strict about elements and values; a document type is refused, so there are no entities but XML's own. Structs have no
 * prototype, and of two members of one name the last counts. ProtocolError for what is none, LimitError for more than 64 levels or a million
 * values.
 */
export function parseXmlRpc(text: string): XmlRpcMessage {
  const stack: Open[] = [{ name: '', text: '', values: [], members: [], memberName: undefined }];
  let method: string | undefined;
  let root = '';
  let isFault = false;
  let count = 0;
  let failure: Error | undefined;
  const reader = sax.parser(true, { strictEntities: true } as sax.SAXOptions);
  const fail = (error: Error): void => {
    failure ??= error;
  };
  const guarded =
    <T>(act: (value: T) => void) =>
    (value: T): void => {
      if (failure !== undefined) return;
      try {
        act(value);
      } catch (error) {
        fail(error as Error);
      }
    };
  reader.onerror = fail;
  reader.ondoctype = () => fail(bad('a document type is not allowed'));
  reader.onopentag = guarded(({ name: full }: { name: string }) => {
    const name = full.replace(/^ex:/, '');
    const parent = stack.at(-1) as Open;
    if (children[parent.name]?.includes(name) !== true) throw bad(`<${full}> where it cannot be`);
    if (stack.length > 4 * MAX_DEPTH + 8)
      throw new LimitError(`the XML-RPC message is nested deeper than ${MAX_DEPTH}`, { protocol: 'HTTP' });
    if (name === 'value' && ++count > MAX_VALUES)
      throw new LimitError(`the XML-RPC message has more than ${MAX_VALUES} values`, { protocol: 'HTTP' });
    if (parent.name === '') root = name;
    if (name === 'fault') isFault = true;
    stack.push({ name, text: '', values: [], members: [], memberName: undefined });
  });
  const onText = guarded((piece: string) => {
    (stack.at(-1) as Open).text += piece;
  });
  reader.ontext = onText;
  reader.oncdata = onText;
  reader.onclosetag = guarded(() => {
    const open = stack.pop() as Open;
    const parent = stack.at(-1) as Open;
    if (open.name === 'methodName') method = open.text.trim();
    else if (open.name === 'name') parent.memberName = open.text;
    else if (open.name === 'member') {
      const [value] = open.values;
      if (open.memberName === undefined || value === undefined) throw bad('a member without name or value');
      parent.members.push([open.memberName, value]);
    } else if (open.name === 'value') {
      if (open.values.length > 1) throw bad('two values where one may be');
      // Without a type it is a string.
      parent.values.push(open.values.length === 1 ? (open.values[0] as XmlRpcValue) : open.text);
    } else if (children['value']?.includes(open.name) === true) parent.values.push(readTyped(open));
    else parent.values.push(...open.values);
  });
  try {
    reader.write(text).close();
  } catch (error) {
    fail(error as Error);
  }
  if (failure instanceof LimitError || failure instanceof ProtocolError) throw failure;
  if (failure !== undefined) throw bad(messageOf(failure).split('\n')[0] as string);
  const values = (stack[0] as Open).values;
  if (root === 'methodCall') {
    if (method === undefined || !methodName.test(method)) throw bad('a call without the name of its method');
    return { kind: 'call', method, parameters: values };
  }
  const [value] = values;
  if (root === '' || value === undefined || values.length > 1) throw bad('a response without its one value');
  if (!isFault) return { kind: 'result', value };
  const fault = value as { faultCode?: unknown; faultString?: unknown } | null;
  if (typeof fault?.faultCode !== 'number' || typeof fault.faultString !== 'string')
    throw bad('a fault that says nothing');
  return { kind: 'fault', code: fault.faultCode, text: fault.faultString };
}

const bad = (why: string): ProtocolError =>
  new ProtocolError(`the XML-RPC message is broken: ${why}`, { protocol: 'HTTP', reason: 'BAD_XML_RPC' });

function readTyped(open: Open): XmlRpcValue {
  const text = open.text.trim();
  switch (open.name) {
    case 'string':
      return open.text;
    case 'nil':
      return null;
    case 'array':
      return open.values;
    case 'struct': {
      const struct = Object.create(null) as Record<string, XmlRpcValue>;
      for (const [name, value] of open.members) struct[name] = value;
      return struct;
    }
    case 'boolean':
      if (text !== '0' && text !== '1') throw bad(`<boolean>${text}`);
      return text === '1';
    case 'i4':
    case 'int':
    case 'i8': {
      if (!/^[+-]?[0-9]{1,20}$/.test(text)) throw bad(`<${open.name}>${text}`);
      const value = BigInt(text.replace(/^\+/, ''));
      const max = open.name === 'i8' ? I8_MAX : BigInt(INT_MAX);
      if (value > max || value < -max - 1n) throw bad(`<${open.name}>${text} is out of range`);
      return open.name === 'i8' ? value : Number(value);
    }
    case 'double': {
      const value = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$/.test(text)
        ? Number(text)
        : Number.NaN;
      if (!Number.isFinite(value)) throw bad(`<double>${text}`);
      return value;
    }
    case 'base64': {
      const packed = text.replace(/\s+/g, '');
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(packed)) throw bad('<base64> that is none');
      return new Uint8Array(Buffer.from(packed, 'base64'));
    }
    default: {
      const match = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?$/.exec(text);
      // Without a zone it is taken as UTC, as it is written here.
      const date = new Date(
        match === null ? Number.NaN : `${match.slice(1, 4).join('-')}T${match.slice(4, 7).join(':')}${match[7] ?? 'Z'}`,
      );
      if (Number.isNaN(date.getTime())) throw bad(`<dateTime.iso8601>${text}`);
      return date;
    }
  }
}
