/** Servers whose ways can be put on. */
export type ImapProfile = 'none' | 'gmail' | 'exchange' | 'dovecot';

export interface ImapProfileSettings {
  readonly delimiter: string;
  readonly folders?: Readonly<Record<string, string | null>>;
  /** What is offered, instead of everything that the fake can do. */
  readonly capabilities?: readonly string[];
  readonly quirks: {
    /** QUIRK(Exchange): no UID in answers to STORE, BODYSTRUCTURE with NIL for empty lists of parameters. */
    readonly storeWithoutUid?: boolean;
    /** QUIRK(Gmail): labels, message and thread ids. */
    readonly gmail?: boolean;
  };
}

/** As observed on the servers; oddities that matter to clients. */
export const profiles: Readonly<Record<ImapProfile, ImapProfileSettings>> = {
  none: { delimiter: '/', quirks: {} },
  dovecot: {
    delimiter: '.',
    capabilities: [
      'IMAP4rev1',
      'SASL-IR',
      'LOGIN-REFERRALS',
      'ID',
      'ENABLE',
      'IDLE',
      'SORT',
      'SORT=DISPLAY',
      'THREAD=REFERENCES',
      'THREAD=REFS',
      'THREAD=ORDEREDSUBJECT',
      'MULTIAPPEND',
      'URL-PARTIAL',
      'CATENATE',
      'UNSELECT',
      'CHILDREN',
      'NAMESPACE',
      'UIDPLUS',
      'LIST-EXTENDED',
      'I18NLEVEL=1',
      'CONDSTORE',
      'QRESYNC',
      'ESEARCH',
      'ESORT',
      'SEARCHRES',
      'WITHIN',
      'CONTEXT=SEARCH',
      'LIST-STATUS',
      'BINARY',
      'MOVE',
      'SNIPPET=FUZZY',
      'PREVIEW=FUZZY',
      'PREVIEW',
      'STATUS=SIZE',
      'SAVEDATE',
      'LITERAL+',
      'NOTIFY',
      'SPECIAL-USE',
    ],
    quirks: {},
  },
  gmail: {
    delimiter: '/',
    folders: {
      '[Gmail]/All Mail': '\\All',
      '[Gmail]/Drafts': '\\Drafts',
      '[Gmail]/Sent Mail': '\\Sent',
      '[Gmail]/Spam': '\\Junk',
      '[Gmail]/Starred': '\\Flagged',
      '[Gmail]/Trash': '\\Trash',
    },
    capabilities: [
      'IMAP4rev1',
      'UNSELECT',
      'IDLE',
      'NAMESPACE',
      'QUOTA',
      'ID',
      'XLIST',
      'CHILDREN',
      'X-GM-EXT-1',
      'UIDPLUS',
      'COMPRESS=DEFLATE',
      'ENABLE',
      'MOVE',
      'CONDSTORE',
      'ESEARCH',
      'UTF8=ACCEPT',
      'LIST-EXTENDED',
      'LIST-STATUS',
      'LITERAL-',
      'SPECIAL-USE',
      'APPENDLIMIT=35651584',
      'SASL-IR',
    ],
    quirks: { gmail: true },
  },
  exchange: {
    delimiter: '/',
    folders: {
      Drafts: '\\Drafts',
      'Sent Items': '\\Sent',
      'Deleted Items': '\\Trash',
      'Junk Email': '\\Junk',
      Archive: null,
      Calendar: null,
    },
    capabilities: [
      'IMAP4',
      'IMAP4rev1',
      'SASL-IR',
      'UIDPLUS',
      'MOVE',
      'ID',
      'UNSELECT',
      'CLIENTACCESSRULES',
      'CLIENTNETWORKPRESENCELOCATION',
      'BACKENDAUTHENTICATE',
      'CHILDREN',
      'IDLE',
      'NAMESPACE',
      'LITERAL+',
    ],
    quirks: { storeWithoutUid: true },
  },
};
