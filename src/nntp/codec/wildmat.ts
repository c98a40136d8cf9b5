import { UsageError } from '../../errors.ts';
import { checkWord } from '../../wire/arguments.ts';

type Step =
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'any' | 'star' }
  | { readonly kind: 'set'; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

interface Pattern {
  readonly negated: boolean;
  readonly steps: readonly Step[];
}

/**
 * Newsgroup patterns: `comp.*,!comp.lang.*`. The last pattern that matches decides; `!` before it says no. `*` is any text, `?` one
 * character; `[a-z]`, `[^a-z]` and `\` are taken too, as older servers do. Time is at most pattern times text, whatever they are.
 *
 * @see RFC 3977 section 4
 */
export class Wildmat {
  readonly text: string;
  readonly #patterns: readonly Pattern[];

  /** UsageError for one that is empty, or has a space or a line break in it. */
  constructor(text: string) {
    this.text = checkWord('the wildmat', text);
    this.#patterns = splitPatterns(text).map((pattern) => ({
      negated: pattern.startsWith('!'),
      steps: compile(pattern.startsWith('!') ? pattern.slice(1) : pattern),
    }));
  }

  matches(name: string): boolean {
    const characters = Array.from(name);
    for (let index = this.#patterns.length - 1; index >= 0; index--) {
      const { negated, steps } = this.#patterns[index] as Pattern;
      if (matchSteps(steps, characters)) return !negated;
    }
    return false;
  }
}

/** A wildmat for a command; UsageError otherwise. */
export const checkWildmat = (value: unknown): string => {
  if (value instanceof Wildmat) return value.text;
  if (typeof value !== 'string') throw new UsageError('a wildmat must be a string');
  return new Wildmat(value).text;
};

function splitPatterns(text: string): string[] {
  const patterns: string[] = [];
  let current = '';
  let inSet = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '\\' && at + 1 < text.length) current += character + (text[++at] as string);
    else if (character === ',' && !inSet) {
      patterns.push(current);
      current = '';
    } else {
      // A comma in a set is one of its members, if the set ends at all.
      if (character === '[' && text.includes(']', at)) inSet = true;
      else if (character === ']') inSet = false;
      current += character;
    }
  }
  patterns.push(current);
  return patterns;
}

function compile(pattern: string): Step[] {
  const characters = Array.from(pattern);
  const steps: Step[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    if (character === '*') {
      if (steps.at(-1)?.kind !== 'star') steps.push({ kind: 'star' });
    } else if (character === '?') steps.push({ kind: 'any' });
    else if (character === '\\' && at + 1 < characters.length)
      steps.push({ kind: 'literal', character: characters[++at] as string });
    else if (character === '[') {
      const negated = characters[at + 1] === '^';
      const first = at + (negated ? 2 : 1);
      // A bracket that comes first is a member.
      const end = characters.indexOf(']', first + 1);
      if (end < 0) {
        steps.push({ kind: 'literal', character });
        continue;
      }
      const ranges: (readonly [string, string])[] = [];
      for (let member = first; member < end; member++) {
        const from = characters[member] as string;
        if (characters[member + 1] === '-' && member + 2 < end) {
          ranges.push([from, characters[member + 2] as string]);
          member += 2;
        } else ranges.push([from, from]);
      }
      steps.push({ kind: 'set', negated, ranges });
      at = end;
    } else steps.push({ kind: 'literal', character });
  }
  return steps;
}

function accepts(step: Step, character: string): boolean {
  if (step.kind === 'literal') return step.character === character;
  if (step.kind !== 'set') return step.kind === 'any';
  return step.ranges.some(([from, to]) => character >= from && character <= to) !== step.negated;
}

/** Goes back to the last star alone: what an earlier one took need never change. */
function matchSteps(steps: readonly Step[], text: readonly string[]): boolean {
  let step = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    const current = steps[step];
    if (current?.kind === 'star') {
      star = step++;
      starAt = at;
    } else if (current !== undefined && accepts(current, text[at] as string)) {
      step++;
      at++;
    } else if (star >= 0) {
      step = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (steps[step]?.kind === 'star') step++;
  return step === steps.length;
}
