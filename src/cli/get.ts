import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open as openFile, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { UsageError, escapeControls } from '../errors.ts';
import {
  HttpClient,
  type HttpClientOptions,
  type HttpRequestOptions,
  type HttpResponse,
  type MultipartPart,
  download,
} from '../http/index.ts';
import { safeFileName } from '../mime/index.ts';
import { open } from '../open/index.ts';
import type { ByteStream } from '../wire/byte-stream.ts';
import { reportFailure, say } from './output.ts';
import { progressBar } from './progress.ts';
import { checkNoSecret, promptSecret, readSecretFile } from './secrets.ts';
import { readText } from './server-flags.ts';

interface GetFlags {
  readonly output?: string;
  readonly remoteName?: boolean;
  readonly continue?: boolean;
  readonly force?: boolean;
  readonly header: readonly string[];
  readonly data?: string;
  readonly form: readonly string[];
  readonly method?: string;
  readonly include?: boolean;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly allowInsecureAuth?: boolean;
  readonly netrc?: boolean;
  readonly proxy?: string;
  readonly ca?: string;
  readonly retries?: string;
  readonly timeout?: string;
  readonly trace?: boolean;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** `postwire get URL`: a page to standard output, or a file, resumed where it broke off. */
export function addGetCommand(program: Command): void {
  program
    .command('get')
    .description('fetch a URL: by HTTP, FTP, POP3, IMAP, NNTP, Gopher, or a file')
    .argument('<url>', 'http://, https://, ftp://, imaps:// …')
    .option('-o, --output <file>', 'write to this file, which appears when it is whole; - for standard output')
    .option('-O, --remote-name', 'write to a file named as in the URL')
    .option('-c, --continue', 'go on with a download that broke off; with -o or -O')
    .option('-f, --force', 'replace the file if it is there')
    .option('-H, --header <field>', "a request header, 'Name: value'; may be repeated", collect, [])
    .option('-d, --data <text>', 'send this by POST; @file for the content of a file')
    .option('-F, --form <field>', 'a form field, name=value or name=@file; may be repeated', collect, [])
    .option('-X, --method <method>', 'GET, or POST with -d or -F, unless said')
    .option('-i, --include', 'print status and headers too')
    .option('--user <name>', 'log in as; the password comes from POSTWIRE_PASSWORD, --password-file or a prompt')
    .option('--password-file <file>', 'file with the password on its first line')
    .option('--allow-insecure-auth', 'send the password without TLS')
    .option('--netrc', 'take logins from ~/.netrc')
    .option('--proxy <url>', 'socks5://, http:// …; default: as the environment says')
    .option('--ca <file>', 'trust this authority (PEM)')
    .option('--retries <count>', 'try again so often')
    .option('--timeout <seconds>', 'give up after this long')
    .option('--trace', 'show the conversation, secrets masked, on standard error')
    .action(async (url: string, flags: GetFlags) => {
      try {
        await get(url, flags);
      } catch (error) {
        reportFailure(error, false);
      }
    });
}

async function get(url: string, flags: GetFlags): Promise<void> {
  checkNoSecret(url);
  // '-' is standard output, as everywhere on the command line.
  const file =
    flags.output === '-' ? undefined : (flags.output ?? (flags.remoteName === true ? remoteName(url) : undefined));
  if (flags.continue === true && file === undefined) throw new UsageError('-c needs a file: use -o or -O');
  if (!/^https?:/i.test(url)) return getOther(url, file, flags);
  const client = new HttpClient(clientOptions(flags));
  try {
    const options = await requestOptions(flags);
    if (file === undefined || options.body !== undefined || options.multipart !== undefined) {
      if (file !== undefined) throw new UsageError('-o does not go with -d and -F');
      await print(await client.request(url, options), flags.include === true);
      return;
    }
    const bar = progressBar(basename(file));
    try {
      const { body: _body, multipart: _multipart, method: _method, ...rest } = options;
      const { sizeBytes, resumedFrom } = await download(client, url, file, {
        ...rest,
        resume: flags.continue === true,
        overwrite: flags.force === true,
        onProgress: (progress) => bar.update(progress),
      });
      bar.stop();
      say(`${file}: ${sizeBytes} bytes${resumedFrom > 0 ? `, ${resumedFrom} of them from before` : ''}`);
    } finally {
      bar.stop();
    }
  } finally {
    await client.close();
  }
}

/** By what the URL's scheme says. */
async function getOther(url: string, file: string | undefined, flags: GetFlags): Promise<void> {
  const { continue: resume, data, form, method, include, netrc, retries, header } = flags;
  if (
    data !== undefined ||
    method !== undefined ||
    form.length > 0 ||
    header.length > 0 ||
    retries !== undefined ||
    [resume, include, netrc].includes(true)
  )
    throw new UsageError('-c, -d, -F, -H, -i, -X, --netrc and --retries are for HTTP');
  const { user, proxy, ca, trace } = flags;
  const bar = file === undefined ? undefined : progressBar(basename(file));
  try {
    await using opened = await open(url, {
      proxy: proxy ?? 'environment',
      allowInsecureAuth: flags.allowInsecureAuth,
      timeoutMs: milliseconds(flags),
      ...(user === undefined ? {} : { user, password: await password(user, flags) }),
      ...(ca === undefined ? {} : { tls: { ca: readText(ca, '--ca') } }),
      ...(trace === true ? { trace: process.stderr } : {}),
      ...(bar === undefined ? {} : { onProgress: (progress) => bar.update(progress) }),
    });
    if (file === undefined) return await toStdout(opened);
    const bytes = await saveBeside(opened, file, flags.force === true);
    bar?.stop();
    say(`${file}: ${bytes} bytes`);
  } finally {
    bar?.stop();
  }
}

/** The file appears when it is whole. */
async function saveBeside(stream: ByteStream, file: string, overwrite: boolean): Promise<number> {
  if (!overwrite && existsSync(file)) throw new UsageError(`${file} exists; -f replaces it`);
  const part = `${file}.${randomBytes(6).toString('hex')}.part`;
  try {
    let bytes = 0;
    await using handle = await openFile(part, 'wx');
    await stream.forEach(async (chunk) => {
      await handle.writeFile(chunk);
      bytes += chunk.length;
    });
    await handle.close();
    await rename(part, file);
    return bytes;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function toStdout(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of stream) {
    if (!process.stdout.write(chunk)) await new Promise((resume) => process.stdout.once('drain', resume));
  }
}

/** Status other than 2xx is an error, when the answer has been printed. */
async function print(response: HttpResponse, include: boolean): Promise<void> {
  if (include) {
    process.stdout.write(`HTTP/1.1 ${response.status} ${escapeControls(response.statusText)}\n`);
    for (const [name, value] of response.headers) process.stdout.write(`${name}: ${escapeControls(value)}\n`);
    process.stdout.write('\n');
  }
  await toStdout(response.stream());
  if (!response.ok) await response.expectOk();
}

function clientOptions(flags: GetFlags): HttpClientOptions {
  const retries = flags.retries === undefined ? undefined : Number(flags.retries);
  return {
    proxy: flags.proxy ?? 'environment',
    netrc: flags.netrc,
    retries,
    allowInsecureAuth: flags.allowInsecureAuth,
    tls: flags.ca === undefined ? undefined : { ca: readText(flags.ca, '--ca') },
    trace: flags.trace === true ? process.stderr : undefined,
  };
}

async function requestOptions(flags: GetFlags): Promise<HttpRequestOptions> {
  const headers = flags.header.map((field): [string, string] => {
    const colon = field.indexOf(':');
    if (colon < 1) throw new UsageError(`-H needs 'Name: value'; got ${JSON.stringify(field)}`);
    return [field.slice(0, colon), field.slice(colon + 1).trim()];
  });
  const { data, form, user } = flags;
  const type = headers.some(([name]) => name.toLowerCase() === 'content-type');
  if (data !== undefined && !data.startsWith('@') && !type)
    headers.push(['Content-Type', 'application/x-www-form-urlencoded']);
  return {
    headers,
    method: flags.method,
    body: data === undefined ? undefined : data.startsWith('@') ? { file: data.slice(1) } : data,
    multipart: form.length === 0 ? undefined : form.map(formPart),
    timeoutMs: milliseconds(flags),
    auth: user === undefined ? undefined : { user, password: await password(user, flags) },
  };
}

function milliseconds({ timeout }: GetFlags): number | undefined {
  if (timeout === undefined) return undefined;
  if (!(Number(timeout) > 0)) throw new UsageError(`--timeout must be a number of seconds; got ${timeout}`);
  return Number(timeout) * 1000;
}

async function password(user: string, flags: GetFlags): Promise<string> {
  if (flags.passwordFile !== undefined) return readSecretFile(flags.passwordFile);
  return process.env['POSTWIRE_PASSWORD'] ?? promptSecret(`Password for ${user}: `);
}

function formPart(field: string): MultipartPart {
  const equals = field.indexOf('=');
  if (equals < 1) throw new UsageError(`-F needs name=value or name=@file; got ${JSON.stringify(field)}`);
  const name = field.slice(0, equals);
  const value = field.slice(equals + 1);
  return value.startsWith('@') ? { name, file: value.slice(1) } : { name, value };
}

/** The last part of the URL's path, as a name that stays in this folder. */
function remoteName(url: string): string {
  const last = URL.canParse(url) ? (new URL(url).pathname.split('/').at(-1) ?? '') : '';
  let name = last;
  try {
    name = decodeURIComponent(last);
  } catch {
    // As it is.
  }
  return safeFileName(name, 'index.html');
}
