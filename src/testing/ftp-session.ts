import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32, createDeflate, createInflate } from 'node:zlib';
import { ClosedError } from '../errors.ts';
import type { NameCharset } from '../ftp/charset.ts';
import {
  type FtpCommand,
  formatFtpTime,
  formatHostPortNumbers,
  ftpCommandDecoder,
  parseEprt,
  parseFtpTime,
  parsePort,
  quotePath,
} from '../ftp/codec.ts';
import type { Connection } from '../socket/connection.ts';
import type { ServerTlsOptions } from '../socket/tls.ts';
import { concatBytes } from '../wire/bytes.ts';
import { parseDecimal } from '../wire/limits.ts';
import { anyBytes } from '../wire/line.ts';
import { testAuthority } from './certificates.ts';
import type { FakeFtpOptions } from './ftp-options.ts';
import type { FaultScript } from './fault-script.ts';
import { DataPort } from './ftp-data.ts';
import {
  type FtpFiles,
  type FtpNode,
  appendTo,
  base,
  bytesFrom,
  join,
  normalise,
  parent,
  truncate,
} from './ftp-files.ts';
import { formatFacts, formatListing } from './ftp-listing.ts';

export interface FtpServerContext {
  readonly options: FakeFtpOptions;
  readonly files: FtpFiles;
  readonly charset: NameCharset;
  readonly tls: ServerTlsOptions | undefined;
  readonly explicitTls: boolean;
  readonly script: FaultScript;
}

const MAX_LINE = 8192;
/** What may come while a transfer runs. */
const duringTransfer = ['ABOR', 'STAT', 'NOOP'];
const beforeLogin = [
  'USER',
  'PASS',
  'ACCT',
  'AUTH',
  'PBSZ',
  'PROT',
  'FEAT',
  'OPTS',
  'HOST',
  'SYST',
  'NOOP',
  'QUIT',
  'HELP',
  'REIN',
];
const hashNames: Readonly<Record<string, string>> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-512': 'sha512',
  MD5: 'md5',
  CRC32: 'crc32',
};
const hashVerbs: Readonly<Record<string, string>> = {
  XCRC: 'CRC32',
  XMD5: 'MD5',
  XSHA: 'SHA-1',
  XSHA1: 'SHA-1',
  XSHA256: 'SHA-256',
  XSHA512: 'SHA-512',
};
/** FEAT lines, and the commands that go with each where the name is not the command's. */
const features: Readonly<Record<string, string>> = {
  UTF8: '',
  SIZE: '',
  MDTM: '',
  MFMT: '',
  EPSV: '',
  EPRT: '',
  REST: 'STREAM',
  TVFS: '',
  MLST: 'type*;size*;modify*;unique*;UNIX.mode*;UNIX.ownername*;UNIX.groupname*;',
  HASH: 'SHA-256*;SHA-512;SHA-1;MD5;CRC32',
  XCRC: '',
  XMD5: '',
  XSHA1: '',
  XSHA256: '',
  MODE: 'Z',
  HOST: '',
};

interface Transfer {
  /** Settles when it is over and the last reply has left. */
  readonly done: Promise<void>;
  abort(): void;
}

/** One client's conversation with a fake FTP server. */
export class FtpServerSession {
  readonly #context: FtpServerContext;
  #connection!: Connection;
  #user: string | undefined;
  #passwordGiven = false;
  #loggedIn = false;
  #directory = '/';
  #type: 'A' | 'I' = 'A';
  #mode: 'S' | 'Z' = 'S';
  #private = false;
  #restartAt = 0;
  #renameFrom: string | undefined;
  #epsvOnly = false;
  #hash = 'SHA-256';
  #clientTls = false;
  readonly #port = new DataPort();
  #transfer: Transfer | undefined;
  #done = false;

  constructor(context: FtpServerContext) {
    this.#context = context;
  }

  async run(connection: Connection): Promise<void> {
    this.#connection = connection;
    const decode = ftpCommandDecoder(MAX_LINE);
    await this.#scripted({ verb: 'CONNECT', argument: '' }, () =>
      this.#reply(220, this.#context.options.greeting ?? 'postwire fake FTP server'),
    );
    while (!this.#done) {
      const raw = await connection.read(decode, { phase: 'idle' });
      const command = { verb: raw.verb, argument: this.#context.charset.redecode(raw.argument) };
      if (this.#transfer !== undefined && !duringTransfer.includes(command.verb)) await this.#transfer.done;
      await this.#scripted(command, () => this.#handle(command));
    }
    await connection.close(100);
  }

  /** Ends what is under way. */
  end(): void {
    this.#transfer?.abort();
    this.#port.clear();
  }

  async #scripted(command: FtpCommand, usual: () => void | Promise<void>): Promise<void> {
    const { verb, argument } = command;
    const rule = this.#context.script.find(verb, { argument, verb });
    if (rule === undefined) return usual();
    const outcome = await rule.perform(this.#connection);
    if (outcome.kind === 'gone') throw new ClosedError('the script ended the conversation');
    if (outcome.kind === 'replied') return;
    if (outcome.inject.length > 0 && verb === 'AUTH') {
      await this.#connection.write([Buffer.concat([Buffer.from('234 Begin TLS\r\n'), outcome.inject])]);
      return;
    }
    await usual();
    if (outcome.inject.length > 0) await this.#connection.write([outcome.inject]);
  }

  #reply(code: number, ...lines: string[]): void {
    const shown = lines.map((line) => line.replace(/[\r\n\0]+/g, ' '));
    const text = shown.map((line, index) => {
      if (index === shown.length - 1) return `${code} ${line}\r\n`;
      return index === 0 ? `${code}-${line}\r\n` : ` ${line}\r\n`;
    });
    const bytes = this.#context.charset.encode(text.join(''));
    this.#connection.write([{ bytes, shown: text.join('').trimEnd() }]).catch(() => undefined);
  }

  #has(feature: string): boolean {
    const { options } = this.#context;
    const asked =
      options.features !== undefined && Object.hasOwn(options.features, feature)
        ? options.features[feature]
        : undefined;
    return asked === undefined ? Object.hasOwn(features, feature) && this.#usual(feature) : asked !== false;
  }

  #usual(feature: string): boolean {
    if (feature === 'HOST') return this.#context.options.virtualHosts !== undefined;
    if (feature === 'UTF8') return this.#context.charset.name === 'utf-8';
    return true;
  }

  #featureLines(): string[] {
    const asked = this.#context.options.features ?? {};
    const lines = Object.keys(features)
      .filter((name) => this.#has(name))
      .map((name) => {
        const parameters = typeof asked[name] === 'string' ? asked[name] : features[name];
        return parameters === '' || parameters === undefined ? name : `${name} ${parameters}`;
      });
    for (const [name, value] of Object.entries(asked))
      if (value !== false && !Object.hasOwn(features, name)) lines.push(value === true ? name : `${name} ${value}`);
    if (this.#context.tls !== undefined) lines.push('AUTH TLS', 'PBSZ', 'PROT', 'CPSV', 'SSCN');
    return lines;
  }

  async #handle({ verb: given, argument }: FtpCommand): Promise<void> {
    const verb = { XPWD: 'PWD', XMKD: 'MKD', XRMD: 'RMD', XCWD: 'CWD', XCUP: 'CDUP' }[given] ?? given;
    if (!this.#loggedIn && !beforeLogin.includes(verb)) return this.#reply(530, 'Please log in with USER and PASS.');
    if (verb !== 'RNTO') this.#renameFrom = verb === 'RNFR' ? this.#renameFrom : undefined;
    const known = Object.hasOwn(features, verb) && verb !== 'MODE' && verb !== 'REST';
    if (known && !this.#has(verb)) return this.#reply(502, `${verb} is not implemented.`);
    switch (verb) {
      case 'USER':
      case 'PASS':
      case 'ACCT':
        return this.#login(verb, argument);
      case 'AUTH':
        return this.#auth(argument);
      case 'PBSZ':
        return this.#connection.secure ? this.#reply(200, 'PBSZ=0') : this.#reply(503, 'AUTH first.');
      case 'PROT':
        return this.#prot(argument.toUpperCase());
      case 'FEAT':
        return this.#reply(211, 'Features:', ...this.#featureLines(), 'End');
      case 'OPTS':
        return this.#opts(argument);
      case 'HOST':
        return (this.#context.options.virtualHosts ?? []).includes(argument.toLowerCase())
          ? this.#reply(220, `Host ${argument}`)
          : this.#reply(504, 'No such host here.');
      case 'SYST':
        return this.#reply(215, 'UNIX Type: L8');
      case 'NOOP':
        return this.#reply(200, 'NOOP ok.');
      case 'HELP':
        return this.#reply(214, 'Help yourself.');
      case 'ALLO':
        return this.#reply(202, 'No storage allocation necessary.');
      case 'QUIT':
        this.#done = true;
        return this.#reply(221, 'Goodbye.');
      case 'REIN':
        this.#loggedIn = false;
        return this.#reply(220, 'Ready for a new user.');
      case 'STAT':
        return this.#stat(argument);
      case 'ABOR':
        return this.#abor();
      case 'TYPE':
        return this.#setType(argument.toUpperCase());
      case 'STRU':
        return argument.toUpperCase() === 'F' ? this.#reply(200, 'Structure F.') : this.#reply(504, 'Only F.');
      case 'MODE':
        return this.#setMode(argument.toUpperCase());
      case 'REST':
        return this.#rest(argument);
      case 'SSCN':
        if (argument !== '') this.#clientTls = argument.toUpperCase() === 'ON';
        return this.#reply(200, `SSCN:${this.#clientTls ? 'CLIENT' : 'SERVER'} METHOD`);
      case 'PASV':
      case 'CPSV':
      case 'EPSV':
        return this.#passive(verb, argument);
      case 'PORT':
      case 'EPRT':
        return this.#active(verb, argument);
      case 'RETR':
      case 'STOR':
      case 'APPE':
      case 'STOU':
      case 'LIST':
      case 'NLST':
      case 'MLSD':
        if (verb === 'MLSD' && !this.#has('MLST')) return this.#reply(500, 'Unknown command.');
        return this.#beginTransfer(verb, argument);
      default:
        return this.#fileCommand(verb, argument);
    }
  }

  #login(verb: string, argument: string): void {
    const { users, account } = this.#context.options;
    if (verb === 'USER') {
      this.#user = argument;
      this.#loggedIn = this.#passwordGiven = false;
      return this.#reply(331, 'Please specify the password.');
    }
    if (verb === 'ACCT') {
      this.#loggedIn = this.#passwordGiven && argument === account;
      return this.#loggedIn ? this.#reply(230, 'Login successful.') : this.#reply(530, 'Wrong account.');
    }
    if (this.#user === undefined) return this.#reply(503, 'Login with USER first.');
    const right = users === undefined || (Object.hasOwn(users, this.#user) && users[this.#user] === argument);
    if (!right) return this.#reply(530, 'Login incorrect.');
    this.#passwordGiven = true;
    if (account !== undefined) return this.#reply(332, 'Need account for login.');
    this.#loggedIn = true;
    this.#reply(230, 'Login successful.');
  }

  async #auth(mechanism: string): Promise<void> {
    const { tls, explicitTls } = this.#context;
    if (tls === undefined || !explicitTls || this.#connection.secure) return this.#reply(502, 'No TLS here.');
    if (!/^(?:TLS|TLS-C|SSL)$/i.test(mechanism)) return this.#reply(504, 'Only TLS.');
    this.#reply(234, 'Proceed with negotiation.');
    await this.#connection.startTls(tls);
  }

  #prot(level: string): void {
    if (!this.#connection.secure) return this.#reply(503, 'AUTH first.');
    if (level === 'C' && this.#context.options.requireProtection === true)
      return this.#reply(534, 'Data must be protected.');
    if (level !== 'P' && level !== 'C') return this.#reply(536, 'Only P and C.');
    this.#private = level === 'P';
    this.#reply(200, `PROT now ${level}.`);
  }

  #opts(argument: string): void {
    const [name = '', value = ''] = argument.split(' ');
    if (name.toUpperCase() === 'UTF8') return this.#reply(this.#has('UTF8') ? 200 : 501, 'UTF8');
    if (name.toUpperCase() === 'MLST' && this.#has('MLST')) return this.#reply(200, `MLST OPTS ${value}`);
    if (name.toUpperCase() === 'HASH' && this.#has('HASH')) {
      if (!Object.hasOwn(hashNames, value.toUpperCase())) return this.#reply(504, 'No such hash.');
      this.#hash = value.toUpperCase();
      return this.#reply(200, this.#hash);
    }
    this.#reply(501, 'Option not understood.');
  }

  #stat(argument: string): void {
    if (argument === '')
      return this.#reply(211, 'FTP server status:', `Logged in as ${this.#user ?? ''}`, 'End of status');
    const found = this.#entries(this.#path(argument));
    if (found === undefined) return this.#reply(450, 'No such file or directory.');
    const lines = formatListing('unix', found, this.#context.options.listingOffsetMinutes).split('\r\n').slice(0, -1);
    this.#reply(213, 'Status follows:', ...lines, 'End of status');
  }

  async #abor(): Promise<void> {
    if (this.#transfer === undefined) return this.#reply(225, 'No transfer to ABOR.');
    this.#transfer.abort();
    await this.#transfer.done;
    this.#reply(226, 'ABOR successful.');
  }

  #setType(argument: string): void {
    const type = argument.split(' ')[0];
    if (type !== 'A' && type !== 'I' && type !== 'L') return this.#reply(504, 'Only A and I.');
    this.#type = type === 'A' ? 'A' : 'I';
    this.#reply(200, `Switching to ${this.#type === 'A' ? 'ASCII' : 'Binary'} mode.`);
  }

  #setMode(argument: string): void {
    if (argument !== 'S' && !(argument === 'Z' && this.#has('MODE'))) return this.#reply(504, 'No such mode.');
    this.#mode = argument;
    this.#reply(200, `Mode set to ${argument}.`);
  }

  #rest(argument: string): void {
    const at = parseDecimal(argument);
    if (!this.#has('REST')) return this.#reply(502, 'REST is not implemented.');
    if (at === undefined) return this.#reply(501, 'A number, please.');
    this.#restartAt = at;
    this.#reply(350, `Restart position accepted (${at}).`);
  }

  get #dataTls(): ServerTlsOptions | undefined {
    return this.#private ? this.#context.tls : undefined;
  }

  async #passive(verb: string, argument: string): Promise<void> {
    const { options } = this.#context;
    if (verb === 'EPSV' && argument.toUpperCase() === 'ALL') {
      this.#epsvOnly = true;
      return this.#reply(200, 'EPSV ALL ok.');
    }
    if (verb !== 'EPSV' && this.#epsvOnly) return this.#reply(501, 'EPSV ALL is in force.');
    const family =
      this.#connection.localAddress?.includes(':') === true && !/^::ffff:/i.test(this.#connection.localAddress)
        ? '2'
        : '1';
    if (verb === 'EPSV' && argument !== '' && argument !== family)
      return this.#reply(522, `Network protocol not supported, use (${family}).`);
    // CPSV: the other server is the one that connects, and we begin the handshake.
    const clientSide = verb === 'CPSV' || this.#clientTls;
    const { port, host } = await this.#port.listen(
      this.#connection,
      clientSide ? undefined : this.#dataTls,
      options.allowForeignData === true,
    );
    if (verb === 'CPSV') this.#clientTls = true;
    if (verb === 'EPSV') return this.#reply(229, `Entering Extended Passive Mode (|||${port}|)`);
    this.#reply(227, `Entering Passive Mode (${formatHostPortNumbers(options.passiveHost ?? host, port)}).`);
  }

  #active(verb: string, argument: string): void {
    if (this.#epsvOnly) return this.#reply(501, 'EPSV ALL is in force.');
    const address = verb === 'PORT' ? parsePort(argument) : parseEprt(argument);
    if (address === undefined) return this.#reply(501, 'That is no address.');
    const client = this.#connection.remoteAddress?.replace(/^::ffff:/i, '');
    if (address.host !== client && this.#context.options.allowForeignData !== true)
      return this.#reply(500, 'That is not your address.');
    this.#port.connectTo(address);
    this.#reply(200, `${verb} command successful.`);
  }

  #path(argument: string): string {
    return normalise(this.#directory, argument);
  }

  /** Names and nodes that a listing shows: a folder's, or the one of a file. */
  #entries(path: string): (readonly [string, FtpNode])[] | undefined {
    const { files } = this.#context;
    const found = files.resolve(path);
    if (found === undefined) return undefined;
    if (found.node.kind !== 'directory') return [[base(path), found.node]];
    return files.names(found.path).map((name) => [name, files.get(join(found.path, name)) as FtpNode] as const);
  }

  #fileCommand(verb: string, argument: string): void {
    const { files } = this.#context;
    const path = this.#path(argument);
    const found = files.resolve(path);
    switch (verb) {
      case 'PWD':
        return this.#reply(257, `${quotePath(this.#directory)} is the current directory`);
      case 'CDUP':
      case 'CWD': {
        const to = verb === 'CDUP' ? parent(this.#directory) : (found?.path ?? path);
        if (files.get(to)?.kind !== 'directory') return this.#reply(550, 'Failed to change directory.');
        this.#directory = to;
        return this.#reply(250, 'Directory successfully changed.');
      }
      case 'MKD':
        if (argument === '' || files.get(path) !== undefined)
          return this.#reply(550, 'Create directory operation failed: File exists.');
        if (files.resolve(parent(path))?.node.kind !== 'directory') return this.#reply(550, 'No such directory.');
        files.mkdir(path);
        return this.#reply(257, `${quotePath(path)} created`);
      case 'RMD':
        if (files.get(path)?.kind !== 'directory' || path === '/') return this.#reply(550, 'No such directory.');
        if (files.names(path).length > 0) return this.#reply(550, 'Directory not empty.');
        files.remove(path);
        return this.#reply(250, 'Remove directory operation successful.');
      case 'DELE':
        if (files.get(path) === undefined || files.get(path)?.kind === 'directory')
          return this.#reply(550, 'No such file.');
        files.remove(path);
        return this.#reply(250, 'Delete operation successful.');
      case 'RNFR':
        if (files.get(path) === undefined) return this.#reply(550, 'No such file.');
        this.#renameFrom = path;
        return this.#reply(350, 'Ready for RNTO.');
      case 'RNTO': {
        const from = this.#renameFrom;
        this.#renameFrom = undefined;
        if (from === undefined) return this.#reply(503, 'RNFR required first.');
        if (
          files.get(path)?.kind === 'directory' ||
          files.get(parent(path))?.kind !== 'directory' ||
          path.startsWith(`${from}/`)
        )
          return this.#reply(550, 'Rename failed.');
        files.rename(from, path);
        return this.#reply(250, 'Rename successful.');
      }
      case 'SITE':
        return this.#site(argument);
      case 'MFMT': {
        const [stamp = ''] = argument.split(' ', 1);
        const node = files.resolve(this.#path(argument.slice(stamp.length + 1)))?.node;
        const time = parseFtpTime(stamp);
        if (time === undefined) return this.#reply(501, 'That is no time.');
        if (node === undefined) return this.#reply(550, 'No such file.');
        node.modifiedAt = time;
        return this.#reply(213, `Modify=${stamp}; ${argument.slice(stamp.length + 1)}`);
      }
      case 'MLST': {
        if (found === undefined) return this.#reply(550, 'No such file or directory.');
        return this.#reply(250, `Listing ${path}`, formatFacts(path, found.node, unique(found.path)), 'End');
      }
    }
    if (['SIZE', 'MDTM', 'HASH', ...Object.keys(hashVerbs)].includes(verb)) {
      if (found?.node.kind !== 'file') return this.#reply(550, 'Could not get file size: no such file.');
      const { node } = found;
      if (verb === 'SIZE')
        return this.#type === 'A'
          ? this.#reply(550, 'SIZE not allowed in ASCII mode.')
          : this.#reply(213, String(node.sizeBytes));
      if (verb === 'MDTM') return this.#reply(213, formatFtpTime(node.modifiedAt));
      const name = verb === 'HASH' ? this.#hash : (hashVerbs[verb] as string);
      const hex = hashOf(node, hashNames[name] as string);
      return verb === 'HASH'
        ? this.#reply(213, `${name} 0-${node.sizeBytes} ${hex} ${argument}`)
        : this.#reply(250, hex.toUpperCase());
    }
    this.#reply(500, 'Unknown command.');
  }

  #site(argument: string): void {
    const match = /^(CHMOD|UTIME) +(\S+) +(.+)$/is.exec(argument);
    const node = match === null ? undefined : this.#context.files.resolve(this.#path(match[3] as string))?.node;
    if (match === null) return this.#reply(500, 'Unknown SITE command.');
    if (node === undefined) return this.#reply(550, 'No such file.');
    if ((match[1] as string).toUpperCase() === 'CHMOD') node.mode = Number.parseInt(match[2] as string, 8);
    else node.modifiedAt = parseFtpTime(match[2] as string) ?? node.modifiedAt;
    this.#reply(200, 'SITE command ok.');
  }

  #beginTransfer(verb: string, argument: string): void {
    const { files } = this.#context;
    const start = this.#restartAt;
    this.#restartAt = 0;
    if (!this.#port.ready) return this.#reply(425, 'Use PORT or PASV first.');
    // Options of `ls` are not paths.
    const words = verb === 'LIST' || verb === 'NLST' ? argument.replace(/^(?:-[A-Za-z]+ *)+/, '') : argument;
    const path = words === '' ? this.#directory : this.#path(words);
    const found = files.resolve(path);
    if (verb === 'RETR') {
      if (found?.node.kind !== 'file') return this.#refuse('Failed to open file.');
      return this.#give(verb, argument, bytesFrom(found.node, start), `${argument} (${found.node.sizeBytes} bytes)`);
    }
    if (verb === 'LIST' || verb === 'NLST' || verb === 'MLSD') {
      const entries = this.#entries(path);
      if (entries === undefined || (verb === 'MLSD' && found?.node.kind !== 'directory'))
        return this.#refuse('No such directory.');
      return this.#give(verb, argument, [this.#listing(verb, path, entries)], 'Here comes the directory listing.');
    }
    const name =
      verb === 'STOU' ? join(this.#directory, `unique.${Date.now().toString(36)}${files.paths().length}`) : path;
    if (files.get(name)?.kind === 'directory' || files.resolve(parent(name))?.node.kind !== 'directory')
      return this.#refuse('Could not create file.');
    this.#take(verb, argument, verb === 'STOU' ? name : (found?.path ?? name), start);
  }

  #refuse(text: string): void {
    this.#port.clear();
    this.#reply(550, text);
  }

  #listing(verb: string, path: string, entries: readonly (readonly [string, FtpNode])[]): Uint8Array {
    const { options, charset } = this.#context;
    if (verb === 'NLST') return charset.encode(entries.map(([name]) => `${name}\r\n`).join(''));
    if (verb === 'LIST')
      return charset.encode(formatListing(options.listing ?? 'unix', entries, options.listingOffsetMinutes));
    const itself = this.#context.files.resolve(path)?.node as FtpNode;
    const facts = [formatFacts('.', itself, unique(path)).replace('type=dir', 'type=cdir')];
    for (const [name, node] of entries) facts.push(formatFacts(name, node, unique(join(path, name))));
    return charset.encode(facts.map((line) => `${line}\r\n`).join(''));
  }

  #give(verb: string, argument: string, pieces: Iterable<Uint8Array>, text: string): void {
    this.#run(verb, text, async (data) => {
      const source = this.#type === 'A' && verb === 'RETR' ? asText(pieces) : pieces;
      const chunks = this.#mode === 'Z' ? Readable.from(source).pipe(createDeflate()) : source;
      const faults = new BodyFaults(this.#context.script, verb, argument, this.#connection, data);
      for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
        for (const piece of faults.split(chunk)) {
          await data.write([piece]);
          if (await faults.passed(piece.length)) return;
        }
      }
      await data.halfClose();
    });
  }

  #take(verb: string, argument: string, path: string, start: number): void {
    const { files } = this.#context;
    const text = verb === 'STOU' ? `FILE: ${base(path)}` : 'Ok to send data.';
    this.#run(verb, text, async (data) => {
      const before = files.get(path);
      const node = before?.kind === 'file' && (verb === 'APPE' || start > 0) ? before : files.write(path, '');
      if (verb !== 'APPE') truncate(node, start);
      const faults = new BodyFaults(this.#context.script, verb, argument, this.#connection, data);
      const received = receive(data, faults);
      const plain = this.#mode === 'Z' ? Readable.from(received).pipe(createInflate()) : received;
      const converted = this.#type === 'A' ? fromText(plain as AsyncIterable<Uint8Array>) : plain;
      for await (const chunk of converted as AsyncIterable<Uint8Array>) appendTo(node, chunk);
    });
  }

  /** A transfer beside the conversation: 150, the data, 226, or what went wrong. */
  #run(verb: string, text: string, work: (data: Connection) => Promise<void>): void {
    const { options } = this.#context;
    let data: Connection | undefined;
    let aborted = false;
    const transfer = async (): Promise<void> => {
      this.#reply(150, text);
      try {
        const tls = this.#dataTls;
        data = await this.#port.open(this.#clientTls ? undefined : tls);
        // FXP: the other server's certificate is one of the same authority.
        if (this.#clientTls && tls !== undefined)
          await data.startTls({ ca: (await testAuthority()).ca }, { role: 'client' });
        if (aborted) throw new ClosedError('aborted');
        if (options.requireSessionReuse === true && tls !== undefined && data.tls?.sessionReused !== true) {
          data.destroy();
          return this.#reply(522, 'SSL connection failed; session reuse required.');
        }
        // QUIRK(Python): data that overtakes TLS 1.3's session tickets makes its unwrap() fail. A turn of the event loop lets them go first.
        if (tls !== undefined) await new Promise((resolve) => setImmediate(resolve));
        await work(data);
        // Its end reaches the client before the reply does, or after: both happen.
        this.#reply(226, verb === 'LIST' ? 'Directory send OK.' : 'Transfer complete.');
        await data.close(200);
      } catch {
        data?.destroy();
        this.#reply(
          data === undefined ? 425 : 426,
          data === undefined ? 'Failed to establish connection.' : 'Transfer aborted.',
        );
      } finally {
        this.#port.clear();
        this.#transfer = undefined;
      }
    };
    let done!: Promise<void>;
    this.#transfer = {
      get done() {
        return done;
      },
      abort: () => {
        aborted = true;
        data?.reset();
        this.#port.clear();
      },
    };
    done = transfer();
    done.catch(() => undefined);
  }
}

/** Scripted faults within a body: of the data connection (`DATA`), or of the control connection. */
class BodyFaults {
  readonly #rules: { readonly at: number; readonly perform: () => Promise<boolean> }[] = [];
  #bytes = 0;

  constructor(script: FaultScript, verb: string, argument: string, control: Connection, data: Connection) {
    for (const [name, target] of [
      ['DATA', data],
      [verb, control],
    ] as const) {
      const rule = script.findInBody(name, { verb, argument });
      if (rule === undefined) continue;
      this.#rules.push({
        at: rule.bodyBytes ?? 0,
        perform: async () => {
          const outcome = await rule.perform(target);
          // A control connection that ends in order takes the data with it in order: what was sent arrives.
          if (target === control && outcome.kind === 'gone') {
            if (control.failure?.message.includes('reset') === true) data.reset();
            else await data.close(500);
          }
          // A data connection that was closed in order is the server's lie: it goes on to say 226.
          if (target === data && outcome.kind === 'gone' && !data.failure?.message.includes('reset')) return true;
          if (outcome.kind === 'gone') throw new ClosedError('cut by the script');
          return outcome.kind === 'replied';
        },
      });
    }
    this.#rules.sort((left, right) => left.at - right.at);
  }

  /** Pieces that end where a rule acts. */
  *split(chunk: Uint8Array): Iterable<Uint8Array> {
    let from = 0;
    for (const { at } of this.#rules) {
      const cut = at - this.#bytes;
      if (cut <= from || cut >= chunk.length) continue;
      yield chunk.subarray(from, cut);
      from = cut;
    }
    yield chunk.subarray(from);
  }

  /** Counts what has gone over; true when the transfer is to end here as if it were whole. */
  async passed(bytes: number): Promise<boolean> {
    this.#bytes += bytes;
    while (this.#rules.length > 0 && (this.#rules[0] as { at: number }).at <= this.#bytes) {
      const rule = this.#rules.shift();
      if ((await rule?.perform()) === true) return true;
    }
    return false;
  }
}

async function* receive(data: Connection, faults: BodyFaults): AsyncIterable<Uint8Array> {
  for (;;) {
    let chunk = data.tryRead(anyBytes, 'body');
    if (chunk === undefined) {
      if (data.ended) return;
      chunk = await data.read(
        (queue) => (queue.length > 0 ? queue.take(queue.length) : queue.ended ? new Uint8Array(0) : undefined),
        {
          phase: 'bodyIdle',
          shown: 'body',
        },
      );
      if (chunk.length === 0) return;
    }
    for (const piece of faults.split(chunk)) {
      // A copy: what was received may be part of a larger buffer, and a file is kept.
      yield Uint8Array.prototype.slice.call(piece);
      if (await faults.passed(piece.length)) return;
    }
  }
}

function* asText(pieces: Iterable<Uint8Array>): Iterable<Uint8Array> {
  for (const piece of pieces)
    yield Buffer.from(Buffer.from(piece).toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
}

async function* fromText(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  yield Buffer.from(Buffer.from(concatBytes(all)).toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}

function hashOf(node: FtpNode, algorithm: string): string {
  if (algorithm === 'crc32')
    return node.chunks
      .reduce((sum, chunk) => crc32(chunk, sum), 0)
      .toString(16)
      .padStart(8, '0');
  const hash = createHash(algorithm);
  for (const chunk of node.chunks) hash.update(chunk);
  return hash.digest('hex');
}

const unique = (path: string): string => createHash('md5').update(path).digest('hex').slice(0, 12);
