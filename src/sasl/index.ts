export { type MechanismChoice, chooseMechanism, chooseMechanisms, mechanisms } from './choose.ts';
export { cramMd5 } from './cram-md5.ts';
export { type LoginOptions, type SaslAnswer, type SaslExchange, findMechanism, saslLogin } from './exchange.ts';
export { login } from './login.ts';
export type { Accounts, Credentials, Mechanism, SaslClient, SaslServer, SaslStep, TokenRequest } from './mechanism.ts';
export { decodeOAuthError, oauthBearer, xoauth2 } from './oauth.ts';
export { plain } from './plain.ts';
export { scramSha1, scramSha256, scramSha512 } from './scram.ts';
export { saslprep } from './text.ts';
