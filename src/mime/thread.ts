import { baseSubject } from './base-subject.ts';

/** What threading by references looks at. */
export interface ThreadFacts {
  /** What stands for the message in the result. */
  readonly number: number;
  readonly subject: string;
  readonly date: Date | null;
  /** Stands for a date that is missing. */
  readonly arrival: Date;
  readonly messageId: string | undefined;
  /** Ids of the messages that it answers, oldest first. */
  readonly references: readonly string[];
}

/** A message and the answers to it. Without a number: one that is not here, whose answers are. */
export interface ThreadNode {
  readonly number: number | undefined;
  readonly children: readonly ThreadNode[];
}

export const sentAt = (facts: Pick<ThreadFacts, 'date' | 'arrival'>): number => (facts.date ?? facts.arrival).getTime();

/** By the time of sending, then by number. */
export const byDate = (left: ThreadFacts, right: ThreadFacts): number =>
  sentAt(left) - sentAt(right) || left.number - right.number;

interface Container {
  facts: ThreadFacts | undefined;
  parent: Container | undefined;
  children: Container[];
}

/**
 * Threads by who answers whom, and then by subject, as Jamie Zawinski's algorithm does. Linear but for hostile chains, which are cut.
 *
 * @see RFC 5256 section 3, REFERENCES
 */
export function threadByReferences(messages: readonly ThreadFacts[]): ThreadNode[] {
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

function firstFacts(container: Container): ThreadFacts {
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
