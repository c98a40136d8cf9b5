export { type CertificateKind, TestAuthority, type TestCertificate, testAuthority, testTls } from './certificates.ts';
export { FakeServer, type FakeServerOptions } from './fake-server.ts';
export { FakeSmtp, type FakeSmtpOptions, fakeSmtp } from './fake-smtp.ts';
export { FaultRule, type Match } from './fault-script.ts';
export { type MailMatch, type MailMatcher, MailStore, type StoredMail } from './mail-store.ts';
export type { WireFaults } from './wire-fault.ts';
export { type FakeMailHost, fakeMailHost } from './fake-mail-host.ts';
export { FakePop3, type FakePop3Options, fakePop3 } from './fake-pop3.ts';
export { Mailbox } from './mailbox.ts';
