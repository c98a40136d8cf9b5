#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { exitCodes } from './exit-codes.ts';
import { addFtpCommand } from './ftp.ts';
import { addImapCommand } from './imap.ts';
import { addGetCommand } from './get.ts';
import { addGopherCommand } from './gopher.ts';
import { addMimeCommand } from './mime.ts';
import { addNntpCommand } from './nntp.ts';
import { reportFailure } from './output.ts';
import { addPop3Command } from './pop3.ts';
import { addSendCommand } from './send.ts';
import { addSendmailCommand } from './sendmail.ts';
import { addSmtpCommand } from './smtp-test.ts';
import { addTelnetCommand } from './telnet.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('postwire')
  .description('Internet protocols from the command line')
  .version(version)
  .exitOverride();
addSendCommand(program);
addSendmailCommand(program);
addSmtpCommand(program);
addPop3Command(program);
addFtpCommand(program);
addImapCommand(program);
addGetCommand(program);
addTelnetCommand(program);
addNntpCommand(program);
addGopherCommand(program);
addMimeCommand(program);

// A closed pipe is the reader's way to say that it has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  else reportFailure(error, false);
}
