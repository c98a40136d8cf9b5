import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, stop, untilListening } from './process.ts';

export interface Ser2net {
  readonly port: number;
  /** The far end of the line: a pseudo-terminal that a device would sit at. */
  readonly device: string;
  close(): Promise<void>;
}

/** ser2net in front of a pair of pseudo-terminals that stands for a serial line. */
export async function startSer2net(): Promise<Ser2net> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-ser2net-'));
  const [near, device] = [join(folder, 'near'), join(folder, 'device')];
  const children: ChildProcess[] = [];
  const start = (command: string, args: readonly string[]): void => {
    children.push(spawn(command, args, { stdio: 'ignore' }));
  };
  start('socat', [`pty,raw,echo=0,link=${near}`, `pty,raw,echo=0,link=${device}`]);
  for (let tries = 0; !existsSync(near) || !existsSync(device); tries++) {
    if (tries > 100) throw new Error('socat made no pseudo-terminals');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const port = await freePort();
  writeFileSync(
    join(folder, 'ser2net.yaml'),
    `%YAML 1.1
---
connection: &line
  accepter: telnet(rfc2217),tcp,127.0.0.1,${port}
  timeout: 0
  connector: serialdev(nouucplock),${near},9600n81,local
  options:
    kickolduser: true
`,
  );
  start('/usr/sbin/ser2net', ['-n', '-c', join(folder, 'ser2net.yaml')]);
  await untilListening(port);
  return {
    port,
    device,
    async close() {
      for (const child of children.reverse()) await stop(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
