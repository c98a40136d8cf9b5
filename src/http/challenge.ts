/** What a server wants to be shown: 'digest', and its parameters by lower-case name. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const piece = /[\s,]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=]+)))?(=*)/y;
const MAX_PIECES = 200;

/**
 * The challenges of WWW-Authenticate, however they are spread over field lines. A word with no value begins the next one; what is not
 * understood ends the reading. Linear. @see RFC 9110 section 11.6.1
 */
export function parseChallenges(fields: readonly string[]): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (const field of fields) {
    piece.lastIndex = 0;
    for (let count = 0; count < MAX_PIECES; count++) {
      const match = piece.exec(field);
      if (match === null) break;
      const [, name = '', quoted, plain] = match;
      const value = quoted?.replace(/\\(.)/gs, '$1') ?? plain;
      const last = challenges.at(-1);
      if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
      else if (last !== undefined && !last.parameters.has(name.toLowerCase()))
        last.parameters.set(name.toLowerCase(), value);
    }
  }
  return challenges;
}
