import { baseSubject } from '../../mime/base-subject.ts';
import { type ThreadNode, byDate, sentAt, threadByReferences } from '../../mime/thread.ts';

export type { ThreadNode };

/** What sorting and threading look at. */
export interface MessageFacts {
  /** What stands for the message in the result. */
  readonly number: number;
  readonly subject: string;
  readonly from: string;
  readonly fromName: string;
  readonly to: string;
  readonly toName: string;
  readonly cc: string;
  readonly date: Date | null;
  readonly arrival: Date;
  readonly sizeBytes: number;
  readonly messageId: string | undefined;
  readonly references: readonly string[];
}

type Key = (facts: MessageFacts) => string | number;

const mailboxPart = (address: string): string => address.split('@')[0]?.toUpperCase() ?? '';
const display = (name: string, address: string): string => (name === '' ? address : name).toUpperCase();

const keys: Readonly<Record<string, Key>> = {
  ARRIVAL: (facts) => facts.arrival.getTime(),
  CC: (facts) => mailboxPart(facts.cc),
  DATE: sentAt,
  DISPLAYFROM: (facts) => display(facts.fromName, facts.from),
  DISPLAYTO: (facts) => display(facts.toName, facts.to),
  FROM: (facts) => mailboxPart(facts.from),
  SIZE: (facts) => facts.sizeBytes,
  SUBJECT: (facts) => baseSubject(facts.subject).text.toUpperCase(),
  TO: (facts) => mailboxPart(facts.to),
};

/** Numbers in the order of the keys; `REVERSE` turns the next one round; ties by number. @see RFC 5256 section 3, RFC 5957 */
export function sortMessages(messages: readonly MessageFacts[], order: readonly string[]): number[] {
  const wanted: { readonly key: Key; readonly sign: 1 | -1 }[] = [];
  let sign: 1 | -1 = 1;
  for (const word of order) {
    if (word === 'REVERSE') {
      sign = -1;
      continue;
    }
    const key = keys[word];
    if (key !== undefined) wanted.push({ key, sign });
    sign = 1;
  }
  const rows = messages.map((facts) => ({ number: facts.number, values: wanted.map(({ key }) => key(facts)) }));
  rows.sort((left, right) => {
    for (let index = 0; index < wanted.length; index++) {
      const [a, b] = [left.values[index] as string | number, right.values[index] as string | number];
      if (a !== b) return (a < b ? -1 : 1) * (wanted[index]?.sign ?? 1);
    }
    return left.number - right.number;
  });
  return rows.map(({ number }) => number);
}

/** Threads by reply, or by subject alone. @see RFC 5256 section 3 */
export function threadMessages(
  messages: readonly MessageFacts[],
  algorithm: 'REFERENCES' | 'ORDEREDSUBJECT',
): ThreadNode[] {
  return algorithm === 'ORDEREDSUBJECT' ? bySubject(messages) : threadByReferences(messages);
}

function bySubject(messages: readonly MessageFacts[]): ThreadNode[] {
  const threads = new Map<string, MessageFacts[]>();
  for (const facts of [...messages].sort(byDate)) {
    const subject = baseSubject(facts.subject).text.toUpperCase();
    const thread = threads.get(subject);
    if (thread === undefined) threads.set(subject, [facts]);
    else thread.push(facts);
  }
  return [...threads.values()].map(([first, ...rest]) => ({
    number: (first as MessageFacts).number,
    children: rest.map(({ number }) => ({ number, children: [] })),
  }));
}
