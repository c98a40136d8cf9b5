export { type MechanismChoice, checkSecretAllowed, chooseMechanism, chooseMechanisms, mechanisms } from './choose.ts';
export { cramMd5 } from './cram-md5.ts';
export { type LoginOptions, type SaslAnswer, type SaslExchange, findMechanism, saslLogin } from './exchange.ts';
export { type CredentialOptions, credentialOptionNames, readCredentials } from './credentials.ts';
export { digestMd5 } from './digest-md5.ts';
export { anonymous, external } from './external.ts';
export { login } from './login.ts';
export type {
  Accounts,
  ChannelBinder,
  Credentials,
  Mechanism,
  SaslClient,
  SaslLogin,
  SaslServer,
  SaslStep,
  TokenRequest,
} from './mechanism.ts';
export { ntlm } from './ntlm.ts';
export { decodeOAuthError, oauthBearer, xoauth2 } from './oauth.ts';
export { plain } from './plain.ts';
export { scramSha1, scramSha1Plus, scramSha256, scramSha256Plus, scramSha512, scramSha512Plus } from './scram.ts';
export { saslprep } from './text.ts';
