import { baseSubject } from '../../mime/base-subject.ts';

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

/** A message and the answers to it. Without a number: one that is not here, whose answers are. */
export interface ThreadNode {
  readonly number: number | undefined;
  readonly children: readonly ThreadNode[];
}

type Key = (facts: MessageFacts) => string | number;

const mailboxPart = (address: string): string => address.split('@')[0]?.toUpperCase() ?? '';
const sentAt = (facts: MessageFacts): number => (facts.date ?? facts.arrival).getTime();
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

interface Container {
  facts: MessageFacts | undefined;
  parent: Container | undefined;
  children: Container[];
}

/** Threads by reply, or by subject alone. @see RFC 5256 section 3 */
export function threadMessages(
  messages: readonly MessageFacts[],
  algorithm: 'REFERENCES' | 'ORDEREDSUBJECT',
): ThreadNode[] {
  return algorithm === 'ORDEREDSUBJECT' ? bySubject(messages) : byReferences(messages);
}

const byDate = (left: MessageFacts, right: MessageFacts): number =>
  sentAt(left) - sentAt(right) || left.number - right.number;

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

/** The steps of RFC 5256 section 3, REFERENCES. */
function byReferences(messages: readonly MessageFacts[]): ThreadNode[] {
  const containers = new Map<string, Container>();
  const anonymous: Container[] = [];
  const get = (id: string): Container => {
    let container = containers.get(id);
    if (container === undefined) {
      container = { facts: undefined, parent: undefined, children: [] };
      containers.set(id, container);
    }
    return container;
  };
  for (const facts of messages) {
    let own: Container;
    const known = facts.messageId === undefined ? undefined : get(facts.messageId);
    // A second message of the same id stands for itself.
    if (known === undefined || known.facts !== undefined) {
      own = { facts, parent: undefined, children: [] };
      anonymous.push(own);
    } else {
      own = known;
      own.facts = facts;
    }
    let parent: Container | undefined;
    for (const reference of facts.references) {
      const container = get(reference);
      if (parent !== undefined && container.parent === undefined && !isBelow(parent, container))
        adopt(parent, container);
      parent = container;
    }
    if (parent !== undefined && !isBelow(parent, own)) adopt(parent, own);
  }
  const roots = [...containers.values(), ...anonymous].filter((container) => container.parent === undefined);
  const pruned = cutDeep(roots).flatMap((root) => prune(root, true));
  const merged = mergeSubjects(pruned);
  return sorted(merged).map(toNode);
}

/** Deeper threads are cut: no reader shows them, and hostile mail could make them as deep as it likes. */
const MAX_DEPTH = 500;

/** True when `ancestor` is above the container, or when nothing more may be put below it. */
function isBelow(container: Container, ancestor: Container): boolean {
  let depth = 0;
  for (let at: Container | undefined = container; at !== undefined; at = at.parent)
    if (at === ancestor || ++depth > MAX_DEPTH) return true;
  return false;
}

function adopt(parent: Container, child: Container): void {
  if (child.parent !== undefined) child.parent.children.splice(child.parent.children.indexOf(child), 1);
  child.parent = parent;
  parent.children.push(child);
}

/** Takes off what is too deep: it begins threads of its own. What follows may then recurse. */
function cutDeep(roots: readonly Container[]): Container[] {
  const all = [...roots];
  const stack = roots.map((container) => ({ container, depth: 0 }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { container, depth } = next;
    if (depth === MAX_DEPTH) {
      all.push(...container.children);
      stack.push(...container.children.map((child) => ({ container: child, depth: 0 })));
      container.children = [];
    } else for (const child of container.children) stack.push({ container: child, depth: depth + 1 });
  }
  return all;
}

/** Placeholders without use go: their children take their place. */
function prune(container: Container, atRoot: boolean): Container[] {
  container.children = container.children.flatMap((child) => prune(child, false));
  if (container.facts !== undefined) return [container];
  if (container.children.length === 0) return [];
  if (!atRoot || container.children.length === 1) return container.children;
  return [container];
}

function firstFacts(container: Container): MessageFacts {
  return container.facts ?? firstFacts(sorted(container.children)[0] as Container);
}

function mergeSubjects(roots: readonly Container[]): Container[] {
  const table = new Map<string, Container>();
  const subjectOf = (root: Container): { subject: string; isReply: boolean } => {
    const base = baseSubject(firstFacts(root).subject);
    return { subject: base.text.toUpperCase(), isReply: base.isReplyOrForward };
  };
  for (const root of roots) {
    const { subject, isReply } = subjectOf(root);
    if (subject === '') continue;
    const other = table.get(subject);
    if (
      other === undefined ||
      (root.facts === undefined && other.facts !== undefined) ||
      (subjectOf(other).isReply && !isReply && !(other.facts === undefined))
    )
      table.set(subject, root);
  }
  const gone = new Set<Container>();
  const added: Container[] = [];
  for (const root of roots) {
    const { subject, isReply } = subjectOf(root);
    const other = table.get(subject);
    if (subject === '' || other === undefined || other === root) continue;
    if (root.facts === undefined && other.facts === undefined) other.children.push(...root.children);
    else if (other.facts === undefined) other.children.push(root);
    else if (isReply && !subjectOf(other).isReply) other.children.push(root);
    else {
      const joint: Container = { facts: undefined, parent: undefined, children: [other, root] };
      table.set(subject, joint);
      gone.add(other);
      added.push(joint);
    }
    gone.add(root);
  }
  return [...roots, ...added].filter((root) => !gone.has(root));
}

function sorted(containers: readonly Container[]): Container[] {
  return [...containers].sort((left, right) => byDate(firstFacts(left), firstFacts(right)));
}

function toNode(container: Container): ThreadNode {
  return { number: container.facts?.number, children: sorted(container.children).map(toNode) };
}
