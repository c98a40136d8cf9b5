import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SyslogClient, type SyslogTarget, serveSyslog, type ReceivedSyslog } from '../../src/syslog/index.ts';
import { testTls } from '../../src/testing/certificates.ts';
import { freePort, run, stop, untilListening } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-rsyslog-'));
const output = join(folder, 'out.log');
const path = join(folder, 'stream');
let daemon: ChildProcess;
let ports: { readonly udp: number; readonly tcp: number; readonly tls: number };
let ca: string;
const forwarded: ReceivedSyslog[] = [];
let receivers: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  const certificate = await testTls('valid');
  ({ ca } = certificate);
  const { server } = certificate;
  writeFileSync(join(folder, 'ca.pem'), ca);
  writeFileSync(join(folder, 'cert.pem'), server.cert);
  writeFileSync(join(folder, 'key.pem'), server.key);
  ports = { udp: await freePort(), tcp: await freePort(), tls: await freePort() };
  const receive = (message: ReceivedSyslog): void => void forwarded.push(message);
  const tcp = await serveSyslog({ protocol: 'tcp', address: ':0' }, receive);
  const udp = await serveSyslog({ protocol: 'udp', address: ':0' }, receive);
  receivers = [tcp, udp];
  const forward = (to: { port: number }, options: string): string =>
    `action(type="omfwd" target="127.0.0.1" port="${to.port}" ${options})`;
  writeFileSync(
    join(folder, 'rsyslog.conf'),
    `global(workDirectory="${folder}" maxMessageSize="64k"
  defaultNetstreamDriverCAFile="${folder}/ca.pem" defaultNetstreamDriverCertFile="${folder}/cert.pem" defaultNetstreamDriverKeyFile="${folder}/key.pem")
module(load="imudp")
module(load="imtcp")
module(load="imptcp")
input(type="imudp" address="127.0.0.1" port="${ports.udp}" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="${ports.tcp}" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="${ports.tls}" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon" ruleset="keep")
input(type="imptcp" path="${path}" ruleset="keep")
template(name="fields" type="string" string="%syslogfacility-text%|%syslogseverity-text%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%protocol-version%|%msg%\\n")
ruleset(name="keep") {
  action(type="omfile" file="${output}" template="fields")
  if $msg contains "forward me" then {
    ${forward(tcp, 'protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"')}
    ${forward(tcp, 'protocol="tcp" template="RSYSLOG_TraditionalForwardFormat"')}
    ${forward(udp, 'protocol="udp" template="RSYSLOG_ForwardFormat"')}
  }
}
`,
  );
  daemon = spawn('/usr/sbin/rsyslogd', ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')], {
    stdio: 'inherit',
  });
  await Promise.all([untilListening(ports.tcp), untilListening(ports.tls)]);
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 50));
});

afterAll(async () => {
  await stop(daemon);
  for (const receiver of receivers) await receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

const lines = (): string[] => (existsSync(output) ? readFileSync(output, 'utf8').split('\n') : []);

describe.each(['rfc5424', 'rfc3164'] as const)('rsyslog reads %s', (format) => {
  test.each(['udp', 'tcp', 'lf', 'tls', 'unix', 'unix-octet'])('over %s', async (kind) => {
    const targets: Record<string, SyslogTarget> = {
      udp: `syslog://127.0.0.1:${ports.udp}`,
      tcp: `syslog+tcp://127.0.0.1:${ports.tcp}`,
      lf: `syslog+tcp://127.0.0.1:${ports.tcp}?framing=lf`,
      tls: { transport: 'tls', host: '127.0.0.1', port: ports.tls, tls: { ca } },
      unix: { path },
      'unix-octet': { path, framing: 'octet-counting' },
    };
    const mark = `${format}-${kind}`;
    const client = await SyslogClient.connect(targets[kind] as SyslogTarget, {
      format,
      facility: 'local4',
      appName: 'shop',
      hostname: 'here',
      procId: '99',
    });
    for (let count = 0; count < 20; count++) client.log('info', `${mark} number ${count}`);
    client.log('crit', `${mark} text <13>not a message`, {
      msgId: 'ID1',
      structuredData: { 'ex@32473': { a: 'say "hi" \\ ]' } },
    });
    await client.close();
    const mine = (): string[] => lines().filter((line) => line.includes(`${mark} `));
    await expect.poll(() => mine().length, { timeout: 10_000 }).toBe(21);
    const all = mine();
    const modern = format === 'rfc5424';
    // rsyslog shows the space behind the tag of RFC 3164 as part of the text.
    const gap = modern ? '' : ' ';
    if (kind !== 'udp')
      expect(all.slice(0, 20)).toEqual(
        Array.from(
          { length: 20 },
          (_, count) => `local4|info|here|shop|99|-|-|${modern ? 1 : 0}|${gap}${mark} number ${count}`,
        ),
      );
    const last = all.find((line) => line.includes('not a message'));
    expect(last).toBe(
      modern
        ? `local4|crit|here|shop|99|ID1|[ex@32473 a="say \\"hi\\" \\\\ \\]"]|1|${mark} text <13>not a message`
        : `local4|crit|here|shop|99|-|-|0| ${mark} text <13>not a message`,
    );
  });
});

test('what rsyslog forwards, in each of its formats and framings, is read', async () => {
  const client = await SyslogClient.connect(`syslog+tcp://127.0.0.1:${ports.tcp}`, {
    appName: 'shop',
    hostname: 'here',
    procId: '99',
    facility: 'mail',
  });
  client.log('warning', 'forward me, grün', { structuredData: { 'ex@32473': { a: 'b' } } });
  await client.close();
  await expect.poll(() => forwarded.length, { timeout: 10_000 }).toBe(3);
  for (const message of forwarded) {
    expect(message).toMatchObject({
      facility: 'mail',
      severity: 'warning',
      hostname: 'here',
      appName: 'shop',
      procId: '99',
    });
    expect(message.message).toContain('forward me');
    expect(Math.abs((message.timestamp?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
  }
  expect(forwarded.map(({ format }) => format).sort()).toEqual(['rfc3164', 'rfc3164', 'rfc5424']);
  expect(forwarded.find(({ format }) => format === 'rfc5424')).toMatchObject({
    structuredData: { 'ex@32473': { a: 'b' } },
    message: 'forward me, grün',
  });
});

test('Python’s SysLogHandler and the logger command are read', async () => {
  const got: ReceivedSyslog[] = [];
  const receive = (message: ReceivedSyslog): void => void got.push(message);
  const tcp = await serveSyslog({ protocol: 'tcp', address: ':0' }, receive);
  const udp = await serveSyslog({ protocol: 'udp', address: ':0' }, receive);
  const program = `
import logging, logging.handlers, socket
for kind, port in ((socket.SOCK_STREAM, ${tcp.port}), (socket.SOCK_DGRAM, ${udp.port})):
    handler = logging.handlers.SysLogHandler(('127.0.0.1', port), facility='local1', socktype=kind)
    handler.ident = 'app: '
    log = logging.getLogger(str(port)); log.addHandler(handler); log.setLevel('DEBUG')
    log.warning('grün %d', 1); log.error('second')
    handler.close()`;
  expect(await run('python3', ['-c', program])).toMatchObject({ code: 0, err: '' });
  await expect.poll(() => got.length).toBe(4);
  for (const message of got) expect(message).toMatchObject({ facility: 'local1', appName: 'app' });
  expect(got.map(({ severity, message }) => `${severity} ${message}`).sort()).toEqual([
    'err second',
    'err second',
    'warning grün 1',
    'warning grün 1',
  ]);
  got.length = 0;
  for (const flags of [
    ['-T', '--octet-count', '--rfc5424'],
    ['-T', '--rfc3164'],
    ['-d', '--rfc5424'],
    ['-d', '--rfc3164'],
  ]) {
    const { port } = flags[0] === '-T' ? tcp : udp;
    const args = [
      ...flags,
      '-n',
      '127.0.0.1',
      '-P',
      String(port),
      '-p',
      'daemon.notice',
      '-t',
      'tagged',
      '--',
      'by logger',
    ];
    expect(await run('logger', args)).toMatchObject({ code: 0 });
  }
  await expect.poll(() => got.length).toBe(4);
  for (const message of got)
    expect(message).toMatchObject({ facility: 'daemon', severity: 'notice', appName: 'tagged', message: 'by logger' });
  await Promise.all([tcp.close(), udp.close()]);
});
