import { expect, test } from 'vitest';
import { fakeTelnet } from '../../src/testing/index.ts';
import { run } from './process.ts';

/** As the transcript shows IAC WILL TTYPE: what was typed behind it ends the session before the type itself is told. */
const willTtype = 'ÿû\\u0018';
const users = { ann: 'hunter22' };

test("Python's telnetlib logs in to the fake and runs a command", async () => {
  await using server = await fakeTelnet({ users });
  const script = `
import telnetlib
t = telnetlib.Telnet('127.0.0.1', ${server.port}, 10)
t.read_until(b'login: ', 5); t.write(b'ann\\n')
t.read_until(b'Password: ', 5); t.write(b'hunter22\\n')
t.read_until(b'$ ', 5); t.write(b'echo from python\\nexit\\n')
print(t.read_all().decode())
`;
  const { out, err } = await run('/usr/bin/python3', ['-W', 'ignore', '-c', script]);
  expect(err).toBe('');
  expect(out).toContain('from python\r\n');
});

test('curl negotiates with the fake, types what it is given, and prints the rest', async () => {
  await using server = await fakeTelnet({ users });
  const input = 'ann\nhunter22\necho from curl\nexit\n';
  const { out } = await run(
    'curl',
    ['-s', '--max-time', '10', '-t', 'TTYPE=vt100', `telnet://127.0.0.1:${server.port}`],
    { input },
  );
  expect(out).toContain('from curl\r\n');
  expect(server.transcript.join()).toContain(willTtype);
});

test("the system's telnet client, at a terminal, negotiates with the fake and leaves by exit", async () => {
  await using server = await fakeTelnet({ banner: 'welcome\r\n' });
  // It answers no option before what is typed already: so a person, who reads first, types it.
  const command = `(sleep 0.5; printf 'echo from telnet\\n'; sleep 0.5; printf 'exit\\n') | TERM=vt100 script -qec 'telnet 127.0.0.1 ${server.port}' /dev/null`;
  const { out } = await run('sh', ['-c', command]);
  expect(out).toContain('welcome');
  expect(out).toContain('from telnet\r\n');
  expect(server.terminals[0]?.terminalTypes.map((type) => type.toLowerCase())).toContain('vt100');
});
