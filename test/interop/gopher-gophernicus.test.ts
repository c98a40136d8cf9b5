import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gopherClientSuite, gopherFiles } from '../suites/gopher.ts';

gopherClientSuite('gophernicus', async () => {
  const root = mkdtempSync(join(tmpdir(), 'postwire-gophernicus-'));
  for (const [name, content] of Object.entries(gopherFiles)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  chmodSync(root, 0o755);
  // A server of inetd: each connection is a process's standard input.
  let port = 0;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    const child = spawn(
      '/usr/sbin/gophernicus',
      ['-h', '127.0.0.1', '-p', String(port), '-r', root, '-nf', '-nh', '-nl', '-nu'],
      {
        stdio: [socket, socket, 'ignore'],
        // It refuses to run as root.
        ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
      },
    );
    child.on('exit', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => child.kill());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as { port: number }).port;
  return {
    url: `gopher://127.0.0.1:${port}`,
    options: {},
    async close() {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(root, { recursive: true, force: true });
    },
  };
});
