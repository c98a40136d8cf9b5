export { ImapClient } from './client.ts';
export type { CommandContext, ImapCommand, ImapState, LiteralSink } from './command.ts';
export { type BodyStructure, fileNameOf, partsOf } from './codec/body-structure.ts';
export type { CommandWriter } from './codec/command.ts';
export { Envelope } from './codec/envelope.ts';
export { FetchedMessage, type FetchedSection, type GmailFields } from './codec/fetched.ts';
export { type ImapReader, type ImapValue } from './codec/reader.ts';
export type { ImapData, ImapStatus } from './codec/response.ts';
export { type CopiedUids, type ResponseCode, copiedPairs } from './codec/response-code.ts';
export type { SearchQuery } from './codec/search-query.ts';
export {
  type MessageSet,
  NumberSet,
  SAVED,
  SequenceSet,
  type Uid,
  UidSet,
  sequences,
  uid,
  uids,
} from './codec/sequence-set.ts';
export type { ThreadNode } from './codec/sort-thread.ts';
export type { ByteRange, FetchQuery } from './commands/fetch.ts';
export type { ListOptions, ListedMailbox, SpecialUse } from './commands/list.ts';
export type { Namespace, Namespaces } from './commands/namespace.ts';
export type { SelectOptions, SelectedMailbox } from './commands/select.ts';
export type { MailboxStatus, StatusItem } from './commands/status.ts';
export type { ImapEvent, ImapEventStream } from './events.ts';
export type { MailboxState } from './mailbox-state.ts';
export type { ImapOptions, ImapTarget } from './target.ts';
export type { AppendAllResult, AppendMessage, AppendOptions } from './append-messages.ts';
export type { AppendResult, CatenatePart } from './commands/append.ts';
export type { MetadataOptions } from './commands/metadata.ts';
export type { MailboxMatches, SearchScope } from './commands/multisearch.ts';
export type { NotifyEvent, NotifyGroup } from './commands/notify.ts';
export type { Quota, QuotaResource } from './commands/quota.ts';
export type { SearchOptions, SearchResult, SortKey } from './commands/search.ts';
export type { FlagChange, StoreResult } from './commands/store.ts';
export type { ExpungeWay, MoveResult, SortResult, ThreadResult } from './emulate.ts';
export type { IdleOptions } from './idle.ts';
export type { MailboxLock } from './mailbox-lock.ts';
export { ImapReplyError } from './reply-error.ts';
export { getJmapAccess } from './commands/jmap-access.ts';
