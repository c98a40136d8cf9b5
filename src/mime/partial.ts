import { UsageError } from '../errors.ts';
import { concatBytes, encodeText } from '../wire/bytes.ts';
import type { HeaderField } from './header-fields.ts';
import type { Message } from './message.ts';
import { parseSync } from './parse.ts';
import type { ParseOptions } from './parse-limits.ts';

/** Fields of the enclosed message that win over those of the fragments. @see RFC 2046 section 5.2.2.1 */
function fromInner(field: HeaderField): boolean {
  return field.key.startsWith('content-') || ['subject', 'message-id', 'encrypted', 'mime-version'].includes(field.key);
}

/**
 * Joins the fragments of a message that was sent as message/partial. They may come in any order. UsageError when they are not all the
 * fragments of one message. @see RFC 2046 section 5.2.2
 */
export function joinPartial(fragments: readonly Message[], options: ParseOptions = {}): Message {
  const byNumber = new Map<number, Message>();
  let total: number | undefined;
  let id: string | undefined;
  for (const fragment of fragments) {
    const { type, parameters } = fragment.root;
    if (type !== 'message/partial') throw new UsageError(`a fragment must be message/partial; got ${type}`);
    const number = Number(parameters.get('number'));
    if (!Number.isSafeInteger(number) || number < 1) throw new UsageError('a fragment has no number');
    id ??= parameters.get('id');
    if (parameters.get('id') !== id) throw new UsageError('the fragments belong to different messages');
    if (parameters.has('total')) total = Number(parameters.get('total'));
    byNumber.set(number, fragment);
  }
  if (total === undefined) throw new UsageError('the last fragment, which has the total, is missing');
  const ordered: Message[] = [];
  for (let number = 1; number <= total; number++) {
    const fragment = byNumber.get(number);
    if (fragment === undefined) throw new UsageError(`fragment ${number} of ${total} is missing`);
    ordered.push(fragment);
  }
  const first = ordered[0] as Message;
  const body = concatBytes(ordered.map((fragment) => fragment.root.encodedBody));
  const inner = parseSync(body, options);
  const outerFields = [...first.headers].filter((field) => !fromInner(field)).map((field) => field.bytes);
  const innerFields = [...inner.headers].filter(fromInner).map((field) => field.bytes);
  return parseSync(
    concatBytes([...outerFields, ...innerFields, encodeText('\r\n'), body.subarray(inner.root.bodyOffset)]),
    options,
  );
}
