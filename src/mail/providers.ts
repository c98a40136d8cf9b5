import { UsageError } from '../errors.ts';
import { nearest } from '../wire/arguments.ts';

/** The servers of a mail provider, as URLs without a user. */
export interface Provider {
  readonly smtp: string;
  readonly imap?: string | undefined;
  readonly pop3?: string | undefined;
}

const providers: Readonly<Record<string, Provider>> = {
  gmail: { smtp: 'smtps://smtp.gmail.com', imap: 'imaps://imap.gmail.com', pop3: 'pop3s://pop.gmail.com' },
  outlook: {
    smtp: 'smtp://smtp-mail.outlook.com:587',
    imap: 'imaps://outlook.office365.com',
    pop3: 'pop3s://outlook.office365.com',
  },
  outlook365: {
    smtp: 'smtp://smtp.office365.com:587',
    imap: 'imaps://outlook.office365.com',
    pop3: 'pop3s://outlook.office365.com',
  },
  yahoo: {
    smtp: 'smtps://smtp.mail.yahoo.com',
    imap: 'imaps://imap.mail.yahoo.com',
    pop3: 'pop3s://pop.mail.yahoo.com',
  },
  icloud: { smtp: 'smtp://smtp.mail.me.com:587', imap: 'imaps://imap.mail.me.com' },
  fastmail: { smtp: 'smtps://smtp.fastmail.com', imap: 'imaps://imap.fastmail.com', pop3: 'pop3s://pop.fastmail.com' },
  zoho: { smtp: 'smtps://smtp.zoho.com', imap: 'imaps://imap.zoho.com', pop3: 'pop3s://pop.zoho.com' },
  gmx: { smtp: 'smtp://mail.gmx.net:587', imap: 'imaps://imap.gmx.net', pop3: 'pop3s://pop.gmx.net' },
  qq: { smtp: 'smtps://smtp.qq.com', imap: 'imaps://imap.qq.com', pop3: 'pop3s://pop.qq.com' },
  '163': { smtp: 'smtps://smtp.163.com', imap: 'imaps://imap.163.com', pop3: 'pop3s://pop.163.com' },
  sendgrid: { smtp: 'smtp://smtp.sendgrid.net:587' },
  mailgun: { smtp: 'smtps://smtp.mailgun.org' },
  postmark: { smtp: 'smtp://smtp.postmarkapp.com:2525' },
  mailjet: { smtp: 'smtp://in-v3.mailjet.com:587' },
};

/**
 * The servers of a well-known provider, by its name without case: `sendMail(provider('gmail').smtp, draft, { user, token })`. UsageError for
 * a name that is not known.
 */
export function provider(name: string): Provider {
  const key = name.toLowerCase();
  const known = Object.keys(providers);
  const found = Object.hasOwn(providers, key) ? providers[key] : undefined;
  if (found !== undefined) return found;
  const near = nearest(key, known);
  throw new UsageError(
    `provider ${JSON.stringify(name)} is not known here: give host and port${near === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${near}?`}`,
  );
}
