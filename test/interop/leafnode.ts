import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Finished, run } from './process.ts';

const programs = resolve('.cache/interop/leafnode/usr/sbin');

/**
 * Leafnode, a reader's server, which fetches its articles from another one. Its folders are compiled in: it sees them where it looks in a
 * mount namespace of its own.
 */
export async function startLeafnode(upstreamPort: number): Promise<{
  readonly port: number;
  /** Fetches what is new upstream. */
  fetch(): Promise<Finished>;
  close(): Promise<void>;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-leafnode-'));
  chmodSync(folder, 0o755);
  const spool = join(folder, 'spool/news');
  for (const name of ['failed.postings', 'interesting.groups', 'leaf.node', 'message.id', 'out.going', 'temp.files'])
    mkdirSync(join(spool, name), { recursive: true });
  for (let index = 0; index < 1000; index++) mkdirSync(join(spool, 'message.id', String(index).padStart(3, '0')));
  for (const name of ['etc/news/leafnode', 'work']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(
    join(folder, 'etc/news/leafnode/config'),
    `server = 127.0.0.1\nport = ${upstreamPort}\nexpire = 20\nhostname = leaf.postwire.dev\n`,
  );
  writeFileSync(join(spool, 'interesting.groups/misc.test'), '');
  await run('chown', ['-R', 'news:news', join(folder, 'spool'), join(folder, 'etc/news')]);
  const inside = join(folder, 'inside.sh');
  writeFileSync(
    inside,
    `mount --bind ${folder}/spool /var/spool &&
mount -t overlay overlay -o lowerdir=/etc,upperdir=${folder}/etc,workdir=${folder}/work /etc &&
exec setpriv --reuid=news --regid=news --clear-groups "$@"
`,
  );
  const command = (program: string): string[] => ['-m', 'sh', inside, join(programs, program)];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    const child = spawn('unshare', command('leafnode'), { stdio: [socket, socket, 'ignore'] });
    child.on('exit', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => child.kill());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    port: (server.address() as { port: number }).port,
    fetch: () => run('unshare', [...command('fetchnews'), '-vvv', '-n']),
    async close() {
      await new Promise<void>((closed) => server.close(() => closed()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
