// The programs of the tutorials, Python's socket and socketserver on one side and ours on the other, both ways.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import {
  type DatagramRequest,
  type StreamClient,
  TcpListener,
  TcpSocket,
  UdpSocket,
  UnixListener,
  UnixSocket,
  serve,
} from '../../src/socket/index.ts';
import { run, stop } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
function keep<T extends { close(): Promise<unknown> }>(thing: T): T {
  open.push(() => thing.close());
  return thing;
}

/** Starts a Python server, which prints its address once it listens. */
async function python(program: string, ...args: string[]): Promise<string> {
  const child: ChildProcess = spawn('python3', ['-u', '-c', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  open.push(() => stop(child));
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk) => resolve(String(chunk).trim()));
    child.once('exit', (code) => reject(new Error(`python ended with ${code}`)));
  });
}

const echoServer = `
import socket, sys
family = {'4': socket.AF_INET, '6': socket.AF_INET6, 'u': socket.AF_UNIX}[sys.argv[1]]
where = sys.argv[2] if sys.argv[1] == 'u' else ('::1' if sys.argv[1] == '6' else '127.0.0.1', 0)
server = socket.socket(family, socket.SOCK_STREAM)
server.bind(where)
server.listen(5)
print(sys.argv[2] if sys.argv[1] == 'u' else server.getsockname()[1])
while True:
    client, address = server.accept()
    with client:
        while True:
            data = client.recv(1024)
            if not data: break
            client.sendall(data)
        client.sendall(b'bye')
`;

/** Says hello, ends its direction, and prints all that comes back; then a megabyte there and back. */
const echoClient = `
import socket, sys, threading
kind, where = sys.argv[1], sys.argv[2]
def connect():
    if kind == 'u':
        name = where.replace('@', '\\0').encode()
        # Node 20 fills an abstract name up with NULs, later versions do not.
        for each in ([name, name.ljust(108, b'\\0')] if name[0] == 0 else [name]):
            client = socket.socket(socket.AF_UNIX)
            try: client.connect(each); return client
            except ConnectionRefusedError: pass
    return socket.create_connection(('::1' if kind == '6' else '127.0.0.1', int(where)), timeout=10)
def talk(data):
    client = connect()
    def send():
        client.sendall(data); client.shutdown(socket.SHUT_WR)
    threading.Thread(target=send).start()
    answer = b''
    while True:
        part = client.recv(65536)
        if not part: break
        answer += part
    client.close()
    return answer
assert talk(b'hello') == b'hellobye', 'short'
big = bytes(range(256)) * 8192
assert talk(big) == big + b'bye', 'long'
print('ok')
`;

async function echo(socket: TcpSocket | UnixSocket): Promise<void> {
  const buffer = new Uint8Array(1024);
  for (let count = await socket.recvInto(buffer); count > 0; count = await socket.recvInto(buffer))
    await socket.sendAll(buffer.subarray(0, count));
  await socket.sendAll('bye');
  await socket.close();
}

async function serveEcho(client: StreamClient): Promise<void> {
  for (let bytes = await client.read(); bytes.length > 0; bytes = await client.read()) await client.write(bytes);
  await client.write('bye');
}

describe.each([
  ['IPv4', '4'],
  ['IPv6', '6'],
  ['Unix', 'u'],
  ['Unix, abstract', 'u'],
] as const)('streams over %s', (name, kind) => {
  const host = kind === '6' ? '::1' : '127.0.0.1';
  const abstract = name === 'Unix, abstract';
  let count = 0;
  const newPath = (): string =>
    abstract ? `\0interop-${process.pid}-${count++}` : join(folder, `echo${kind}${count++}`);

  test.skipIf(abstract)('ours asks, Python’s socket answers', async () => {
    const where = await python(echoServer, kind, newPath());
    const socket = keep(
      kind === 'u' ? await UnixSocket.connect(where) : await TcpSocket.connect({ host, port: Number(where) }),
    );
    const sending = (async () => {
      for (let index = 0; index < 20; index++) await socket.sendAll(new Uint8Array(50_000).fill(index));
      await socket.shutdown('write');
    })();
    const all = await socket.recvExactly(1_000_003);
    await sending;
    expect(all[999_999]).toBe(19);
    expect(text(all.subarray(1_000_000))).toBe('bye');
    expect(await socket.recv()).toHaveLength(0);
  });

  test('Python’s socket asks, our listener answers', async () => {
    const path = newPath();
    const listener = keep(kind === 'u' ? await UnixListener.listen(path) : await TcpListener.listen({ host }));
    void (async () => {
      for await (const socket of listener) void echo(socket);
    })();
    const name_ = listener.getSockName();
    const where = typeof name_ === 'string' ? path.replace('\0', '@') : String(name_.port);
    expect(await run('python3', ['-c', echoClient, kind, where])).toMatchObject({ out: 'ok\n', code: 0 });
  });

  test('Python’s socket asks, serve answers', async () => {
    const path = newPath();
    const server = keep(
      kind === 'u'
        ? await serve({ protocol: 'unix', address: path, handler: serveEcho })
        : await serve({ protocol: 'tcp', address: { host, port: 0 }, handler: serveEcho }),
    );
    const where = kind === 'u' ? path.replace('\0', '@') : String(server.port);
    expect(await run('python3', ['-c', echoClient, kind, where])).toMatchObject({ out: 'ok\n', code: 0 });
  });
});

const lineServer = `
import socketserver, sys
class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.strip().upper() + b'\\n')
class Datagram(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read().upper())
class V6(socketserver.ThreadingTCPServer): address_family = 10
class U6(socketserver.ThreadingUDPServer): address_family = 10
kind = sys.argv[1]
if kind == 'unix': server = socketserver.ThreadingUnixStreamServer(sys.argv[2], Upper)
elif kind == 'udp6': server = U6(('::1', 0), Datagram)
elif kind == 'udp': server = socketserver.ThreadingUDPServer(('127.0.0.1', 0), Datagram)
elif kind == 'tcp6': server = V6(('::1', 0), Upper)
else: server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Upper)
print(sys.argv[2] if kind == 'unix' else server.server_address[1])
server.serve_forever()
`;

describe('socketserver', () => {
  test.each(['tcp', 'tcp6', 'unix'])('its %s server answers our lines', async (kind) => {
    const where = await python(lineServer, kind, join(folder, `lines-${kind}`));
    const host = kind === 'tcp6' ? '::1' : '127.0.0.1';
    const socket = keep(
      kind === 'unix' ? await UnixSocket.connect(where) : await TcpSocket.connect({ host, port: Number(where) }),
    );
    const file = socket.makeFile();
    for (const line of ['one', 'zwei', 'grüße']) {
      await file.writeLine(line);
      expect(await file.readLine()).toBe(line.replace(/[a-z]/g, (letter) => letter.toUpperCase()));
    }
    await socket.shutdown('write');
    expect(await file.readLine()).toBeUndefined();
  });

  test.each(['udp', 'udp6'])('its %s server answers our datagrams', async (kind) => {
    const port = Number(await python(lineServer, kind));
    const host = kind === 'udp6' ? '::1' : '127.0.0.1';
    const socket = keep(new UdpSocket({ family: kind === 'udp6' ? 6 : 4 }));
    await socket.sendTo('hello', { host, port });
    const { data, address } = await socket.recvFrom(1024, { timeoutMs: 5000 });
    expect([text(data), address.port]).toEqual(['HELLO', port]);
    const connected = keep(await UdpSocket.connect({ host, port }));
    await connected.send('again');
    expect(text(await connected.recv(1024, { timeoutMs: 5000 }))).toBe('AGAIN');
  });

  test.each([4, 6] as const)('Python’s datagrams of IPv%d are answered by ours', async (family) => {
    const host = family === 6 ? '::1' : '127.0.0.1';
    const handler = (request: DatagramRequest): Promise<void> => request.reply(text(request.data).toUpperCase());
    const server = keep(await serve({ protocol: 'udp', address: { host, port: 0 }, handler }));
    const program = `
import socket
client = socket.socket(${family === 6 ? 'socket.AF_INET6' : 'socket.AF_INET'}, socket.SOCK_DGRAM)
client.settimeout(5)
client.sendto(b'hello', ('${host}', ${server.port}))
data, address = client.recvfrom(1024)
assert address[1] == ${server.port}
client.connect(('${host}', ${server.port}))
client.send(b'x' * 9000)
assert client.recv(65536) == b'X' * 9000
print(data.decode())`;
    expect(await run('python3', ['-c', program])).toMatchObject({ out: 'HELLO\n', code: 0 });
  });

  test('handlers in classes serve many Python clients at once', async () => {
    class Upper {
      readonly #client: StreamClient;
      constructor(client: StreamClient) {
        this.#client = client;
      }
      async handle(): Promise<void> {
        for await (const line of this.#client) await this.#client.writeLine(line.toUpperCase());
      }
    }
    const server = keep(await serve({ protocol: 'tcp', address: ':0', handler: Upper }));
    const program = `
import socket, threading
failures = []
def talk(index):
    with socket.create_connection(('127.0.0.1', ${server.port}), timeout=20) as client:
        file = client.makefile('rw', newline='\\n')
        for count in range(20):
            file.write(f'line {index} {count}\\n'); file.flush()
            if file.readline().strip() != f'LINE {index} {count}': failures.append(index)
threads = [threading.Thread(target=talk, args=(index,)) for index in range(50)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print('failures', failures)`;
    expect(await run('python3', ['-c', program])).toMatchObject({ out: 'failures []\n', code: 0 });
  });

  test('a hundred clients that reset their connections leave nothing behind', async () => {
    const errors: unknown[] = [];
    const server = keep(
      await serve({ protocol: 'tcp', address: ':0', handler: serveEcho, onError: (error) => errors.push(error) }),
    );
    const program = `
import socket, struct
for count in range(100):
    client = socket.create_connection(('127.0.0.1', ${server.port}))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    client.sendall(b'x' * 1000)
    client.close()
print('done')`;
    expect(await run('python3', ['-c', program])).toMatchObject({ out: 'done\n', code: 0 });
    await expect.poll(() => server.connectionCount).toBe(0);
    expect(await run('python3', ['-c', echoClient, '4', String(server.port)])).toMatchObject({ out: 'ok\n' });
  });
});
