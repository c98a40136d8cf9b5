import { basename } from 'node:path';
import type { Command } from 'commander';
import { UsageError, escapeControls } from '../errors.ts';
import { type GopherItem, formatGopherUrl, gopher, gopherAttributes, parseGopherUrl } from '../gopher/index.ts';
import { safeFileName } from '../mime/index.ts';
import { printJson, reportFailure, say } from './output.ts';
import { progressBar } from './progress.ts';
import { readText } from './server-flags.ts';

interface GopherFlags {
  readonly output?: string;
  readonly remoteName?: boolean;
  readonly force?: boolean;
  readonly search?: string;
  readonly attributes?: boolean;
  readonly charset?: string;
  readonly ca?: string;
  readonly timeout?: string;
  readonly trace?: boolean;
  readonly json?: boolean;
}

/** `postwire gopher URL`: a menu as a list of links, a document as it is, or into a file. */
export function addGopherCommand(program: Command): void {
  program
    .command('gopher')
    .description('fetch a menu or a document by Gopher')
    .argument('<url>', 'gopher://host/1/selector, or gophers:// for TLS')
    .option('-o, --output <file>', 'write to this file, which appears when it is whole')
    .option('-O, --remote-name', "write to a file of the document's name")
    .option('--force', 'replace a file that is there')
    .option('--search <words>', 'words for a search item')
    .option('--attributes', 'show what Gopher+ knows of the item')
    .option('--charset <name>', 'charset of text; default: UTF-8, else Windows-1252')
    .option('--ca <file>', 'trust this authority (PEM)')
    .option('--timeout <seconds>', 'give up after this long')
    .option('--trace', 'show the conversation on standard error')
    .option('--json', 'print menus and attributes as JSON')
    .action(async (url: string, flags: GopherFlags) => {
      try {
        await run(url, flags);
      } catch (error) {
        reportFailure(error, flags.json === true);
      }
    });
}

async function run(url: string, flags: GopherFlags): Promise<void> {
  const seconds = flags.timeout === undefined ? undefined : Number(flags.timeout);
  if (seconds !== undefined && !(seconds > 0))
    throw new UsageError(`--timeout must be a number of seconds; got ${flags.timeout ?? ''}`);
  const options = {
    ...(flags.search === undefined ? {} : { search: flags.search }),
    ...(flags.charset === undefined ? {} : { charset: flags.charset }),
    ...(flags.ca === undefined ? {} : { tls: { ca: readText(flags.ca, '--ca') } }),
    ...(seconds === undefined ? {} : { timeouts: { totalMs: seconds * 1000 } }),
    ...(flags.trace === true ? { trace: process.stderr } : {}),
  };
  if (flags.attributes === true) {
    for (const { item, admin, abstract, views, questions } of await gopherAttributes(url, options))
      printJson({ item, admin: Object.fromEntries(admin), abstract, views, questions });
    return;
  }
  const named = safeFileName(basename(parseGopherUrl(url).selector), 'gopher');
  const file = flags.remoteName === true ? named : flags.output;
  const bar = progressBar(named);
  const response = await gopher(url, {
    ...options,
    ...(file === undefined ? {} : { onProgress: (progress) => bar.update(progress) }),
  });
  if (file !== undefined) {
    const bytes = await response.save(file, { overwrite: flags.force === true });
    bar.stop();
    say(`${bytes} bytes in ${escapeControls(file)}`);
  } else if (response.kind === 'menu' || response.kind === 'search') {
    for (const item of await response.items()) {
      if (flags.json === true) printJson(item);
      else process.stdout.write(`${describe(item, response.secure)}\n`);
    }
  } else {
    for await (const chunk of response.stream())
      if (!process.stdout.write(chunk)) await new Promise((resume) => process.stdout.once('drain', resume));
  }
  if (response.truncated) say('the server closed without the line that ends a text: it may not be all');
}

/** Links are shown, and never opened. */
function describe(item: GopherItem, secure: boolean): string {
  const title = escapeControls(item.title);
  if (item.kind === 'info' || item.kind === 'error' || item.kind === 'invalid') return `           ${title}`;
  let link = item.url;
  try {
    link ??= formatGopherUrl(item, { secure });
  } catch (error) {
    // An item without a place leads nowhere.
    if (!(error instanceof UsageError)) throw error;
  }
  return `${item.kind.padEnd(10)} ${title}  ${escapeControls(link ?? '')}`;
}
