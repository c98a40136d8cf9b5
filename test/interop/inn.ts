import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, openSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { TestAuthority } from '../../src/testing/index.ts';
import { freePort, run, stop, untilListening } from './process.ts';

const programs = resolve('.cache/interop/inn/usr/lib/news');

/** INN: innd, which takes articles from peers, and nnrpd, with STARTTLS and login, for readers. One group, `local.test`. */
export async function startInn(): Promise<{
  readonly readerPort: number;
  readonly feedPort: number;
  readonly ca: string;
  close(): Promise<void>;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-inn-'));
  chmodSync(folder, 0o755);
  const [readerPort, feedPort] = [await freePort(), await freePort()];
  for (const name of ['etc', 'db', 'run', 'log', 'tmp', 'filter', 'spool/articles', 'spool/overview', 'spool/incoming'])
    mkdirSync(join(folder, name), { recursive: true });
  const write = (name: string, lines: readonly string[], mode = 0o644): void =>
    writeFileSync(join(folder, name), lines.map((line) => `${line}\n`).join(''), { mode });
  const authority = await TestAuthority.create();
  const certificate = await authority.issue();
  write('etc/cert.pem', [certificate.cert]);
  write('etc/ca.pem', [authority.ca]);
  write('etc/key.pem', [certificate.key], 0o600);
  write('etc/inn.conf', [
    'mta: /bin/true',
    'mailcmd: /bin/true',
    'organization: test',
    'ovmethod: tradindexed',
    'hismethod: hisv6',
    'pathhost: inn.postwire.test',
    'domain: postwire.test',
    `pathnews: ${programs}`,
    `pathbin: ${programs}/bin`,
    ...['etc', 'db', 'run', 'log', 'spool', 'tmp', 'filter'].map((name) => `path${name}: ${folder}/${name}`),
    'runasuser: news',
    'runasgroup: news',
    'bindaddress: 127.0.0.1',
    'bindaddress6: "::1"',
    `port: ${feedPort}`,
    'server: 127.0.0.1',
    'enableoverview: true',
    'artcutoff: 0',
    'allownewnews: true',
    `tlscertfile: ${folder}/etc/cert.pem`,
    `tlskeyfile: ${folder}/etc/key.pem`,
    `tlscafile: ${folder}/etc/ca.pem`,
  ]);
  write('etc/storage.conf', ['method tradspool {', '  newsgroups: *', '  class: 0', '}']);
  write('etc/readers.conf', [
    'auth "all" {',
    '  hosts: "*"',
    `  auth: "ckpasswd -f ${folder}/etc/passwd"`,
    '}',
    'access "users" {',
    '  users: "ann*"',
    '  newsgroups: "*"',
    '  access: RPAN',
    '}',
  ]);
  write('etc/newsfeeds', ['ME:*::']);
  write('etc/incoming.conf', ['streaming: true', 'max-connections: 8', 'peer local {', '  hostname: "127.0.0.1"', '}']);
  write('etc/expire.ctl', ['/remember/:11', '*:A:1:90:never']);
  for (const name of [
    'control.ctl',
    'distributions',
    'distrib.pats',
    'moderators',
    'subscriptions',
    'localgroups',
    'motd.nnrpd',
  ])
    write(`etc/${name}`, []);
  const { out: hash } = await run('perl', ['-e', `print crypt("secret", '$6$salt$')`]);
  write('etc/passwd', [`ann:${hash}`]);
  write('db/active', [
    'control 0000000000 0000000001 n',
    'control.cancel 0000000000 0000000001 n',
    'junk 0000000000 0000000001 n',
    'local.test 0000000000 0000000001 y',
  ]);
  write('db/active.times', ['local.test 1700000000 ann@example.com']);
  write('db/newsgroups', ['local.test\tFor tests']);
  write('db/history', []);
  await run('chown', ['-R', 'news:news', folder]);
  const env = { ...process.env, INNCONF: `${folder}/etc/inn.conf`, LD_LIBRARY_PATH: programs };
  const asNews = ['--reuid=news', '--regid=news', '--clear-groups'];
  await run('setpriv', [...asNews, `${programs}/bin/makedbz`, '-i', '-o'], { env, cwd: folder });
  const log = openSync(join(folder, 'log/out'), 'a');
  const start = (program: string, args: readonly string[]): ChildProcess =>
    spawn('setpriv', [...asNews, `${programs}/bin/${program}`, ...args], {
      env,
      cwd: folder,
      stdio: ['ignore', log, log],
    });
  const children = [
    start('innd', ['-f', '-c', '0', '-P', String(feedPort)]),
    start('nnrpd', ['-D', '-f', '-b', '127.0.0.1', '-p', String(readerPort)]),
  ];
  try {
    await untilListening(feedPort);
    await untilListening(readerPort);
  } catch (error) {
    const logs = readdirSync(join(folder, 'log')).map((name) => readFileSync(join(folder, 'log', name), 'utf8'));
    throw new Error(`INN did not start: ${logs.join('\n')}`, { cause: error });
  }
  return {
    readerPort,
    feedPort,
    ca: authority.ca,
    async close() {
      for (const child of children) await stop(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
