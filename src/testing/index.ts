export { type CertificateKind, TestAuthority, type TestCertificate, testAuthority, testTls } from './certificates.ts';
export { FakeServer, type FakeServerOptions } from './fake-server.ts';
export { FakeSmtp, type FakeSmtpOptions, fakeSmtp } from './fake-smtp.ts';
export { FaultRule, type Match } from './fault-script.ts';
export { type MailMatch, type MailMatcher, MailStore, type StoredMail } from './mail-store.ts';
export type { WireFaults } from './wire-fault.ts';
export { type FakeMailHost, fakeMailHost } from './fake-mail-host.ts';
export { FakePop3, type FakePop3Options, fakePop3 } from './fake-pop3.ts';
export { Mailbox } from './mailbox.ts';
export { FakeFtp, type FakeFtpOptions, fakeFtp } from './fake-ftp.ts';
export { FtpFiles, type FtpNode } from './ftp-files.ts';
export { FakeImap, type FakeImapOptions, fakeImap } from './fake-imap.ts';
export type { ImapProfile } from './imap-profiles.ts';
export { Folder, type FolderMessage, ImapAccount } from './imap-account.ts';
export { FakeHttp, type FakeHttpOptions, fakeHttp } from './fake-http.ts';
export { type FakeHttpFile, type FakeHttpHandler, type FakeHttpReply, FakeHttpRequest } from './http-messages.ts';
export { FakeComPort, type FakeComPortOptions } from './fake-com-port.ts';
export {
  FakeTelnet,
  type FakeTelnetCommand,
  type FakeTelnetOptions,
  type FakeTelnetStep,
  type FakeTerminal,
  fakeTelnet,
} from './fake-telnet.ts';
export { FakeNntp, type FakeNntpOptions, fakeNntp } from './fake-nntp.ts';
export { type NewGroup, NewsStore, type StoredArticle, type StoredGroup } from './news-store.ts';
export { FakeGopher, type FakeGopherAttributes, type FakeGopherOptions, fakeGopher } from './fake-gopher.ts';
