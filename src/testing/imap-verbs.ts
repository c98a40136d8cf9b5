import { folderVerbs } from './imap-folder-verbs.ts';
import { messageVerbs } from './imap-message-verbs.ts';
import type { VerbHandler } from './imap-verb.ts';

/** What the fake does once somebody is logged in, by verb. */
export const verbs: ReadonlyMap<string, VerbHandler> = new Map([
  ...Object.entries(folderVerbs),
  ...Object.entries(messageVerbs),
]);
