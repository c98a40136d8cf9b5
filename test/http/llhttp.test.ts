import { get } from 'node:http';
import { type Server, type Socket, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HttpClient } from '../../src/http/index.ts';

/**
 * The bytes of a response, and what becomes of them: the body, or 'refused'. Where Node's parser (llhttp, strict) says otherwise, its verdict
 * and the reason for ours stand beside it.
 */
interface Vector {
  readonly wire: string;
  readonly ours: string;
  readonly llhttp?: string;
  readonly why?: string;
}
const REFUSED = 'refused';
const ok = (fields: string, body = ''): string => `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`;
const chunked = (body: string): string => ok('Transfer-Encoding: chunked\r\n', body);

const vectors: Vector[] = [
  { wire: ok('Content-Length: 5\r\n', 'hello'), ours: 'hello' },
  { wire: ok('', 'hello'), ours: 'hello' },
  { wire: ok('Content-Length: 0\r\n'), ours: '' },
  { wire: ok('Content-Length: 5\r\n', 'hell'), ours: REFUSED },
  {
    wire: ok('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'),
    ours: 'hello',
    llhttp: REFUSED,
    why: 'RFC 9110 section 8.6: a recipient may take equal values for one',
  },
  {
    wire: ok('Content-Length: 5, 5\r\n', 'hello'),
    ours: 'hello',
    llhttp: REFUSED,
    why: 'as above',
  },
  { wire: ok('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'), ours: REFUSED },
  { wire: ok('Content-Length: +5\r\n', 'hello'), ours: REFUSED },
  { wire: ok('Content-Length: 0x5\r\n', 'hello'), ours: REFUSED },
  { wire: ok('Content-Length: -5\r\n', 'hello'), ours: REFUSED },
  { wire: ok('Content-Length: 5 5\r\n', 'hello'), ours: REFUSED },
  { wire: ok('Content-Length: 99999999999999999999999\r\n', 'hello'), ours: REFUSED },
  { wire: ok('Content-Length:\r\n', 'hello'), ours: REFUSED },
  { wire: chunked('5\r\nhello\r\n0\r\n\r\n'), ours: 'hello' },
  { wire: chunked('05\r\nhello\r\n000\r\n\r\n'), ours: 'hello' },
  { wire: chunked('5;a=b\r\nhello\r\n0\r\n\r\n'), ours: 'hello' },
  { wire: chunked('5;a="b\\"c"\r\nhello\r\n0\r\n\r\n'), ours: 'hello' },
  { wire: chunked('5\r\nhello\r\n0\r\nA: b\r\n\r\n'), ours: 'hello' },
  { wire: chunked('5\r\nhello\r\n'), ours: REFUSED },
  { wire: chunked('5\r\nhello\r\n0\r\n'), ours: REFUSED },
  { wire: chunked('5 \r\nhello\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked(' 5\r\nhello\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('0x5\r\nhello\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('-5\r\nhello\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('5\nhello\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('5\r\nhello\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('5\r\nhello0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('5\r\nhelloX\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('10000000000000005\r\nhello\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: chunked('5;a\nb\r\nhello\r\n0\r\n\r\n'), ours: REFUSED },
  { wire: ok('Transfer-Encoding: Chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'), ours: 'hello' },
  {
    wire: ok('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    ours: 'hello',
    llhttp: REFUSED,
    why: 'RFC 9112 section 6.3: chunked wins; the connection is not used again',
  },
  {
    wire: ok('Transfer-Encoding: xchunked\r\n', 'hello'),
    ours: REFUSED,
    llhttp: 'hello',
    why: 'a coding that is not understood is no body that can be handed over',
  },
  {
    wire: ok('Transfer-Encoding: gzip\r\n', 'hello'),
    ours: REFUSED,
    llhttp: 'hello',
    why: 'as above: it would be compressed bytes without a word',
  },
  {
    wire: ok('Transfer-Encoding: gzip, chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    ours: REFUSED,
    llhttp: 'hello',
    why: 'as above',
  },
  {
    wire: ok('Transfer-Encoding: chunked, gzip\r\n', 'hello'),
    ours: REFUSED,
    llhttp: 'hello',
    why: 'as above',
  },
  {
    wire: 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    ours: REFUSED,
    llhttp: 'hello',
    why: 'RFC 9112 section 6.1: HTTP/1.0 has no chunks; such framing is faulty',
  },
  { wire: ok('A : b\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok(': b\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A(: b\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A: b\0c\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A: b\x01c\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A: b\x7fc\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A: b\xe9\r\nContent-Length: 0\r\n'), ours: '' },
  { wire: ok('A: b\rc\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A: b\nC: d\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: ok('A: b\r\n c\r\nContent-Length: 0\r\n'), ours: REFUSED },
  { wire: 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', ours: REFUSED },
  { wire: 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', ours: '' },
  { wire: 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n', ours: REFUSED },
  { wire: 'HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n', ours: REFUSED },
  { wire: 'HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n', ours: REFUSED },
  { wire: 'http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', ours: REFUSED },
  { wire: 'hello', ours: REFUSED },
  { wire: '', ours: REFUSED },
  {
    wire: `\r\n${ok('Content-Length: 0\r\n')}`,
    ours: REFUSED,
    llhttp: '',
    why: 'RFC 9112 section 2.2 lets a server skip an empty line, not a client: here it may be the end of something smuggled',
  },
  { wire: `HTTP/1.1 100 Continue\r\n\r\n${ok('Content-Length: 1\r\n', 'a')}`, ours: 'a' },
  { wire: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok('Content-Length: 1\r\n', 'a')}`, ours: 'a' },
  {
    wire: 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
    ours: '',
    llhttp: REFUSED,
    why: 'the response is whole; what is behind it closes the connection and is nobody’s answer',
  },
  { wire: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', ours: '' },
];

let server: Server;
let current = '';
const sockets = new Set<Socket>();
beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => socket.end(current, 'latin1'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});
const port = (): number => (server.address() as { port: number }).port;

const byNode = (): Promise<string> =>
  new Promise((resolve) => {
    get({ host: '127.0.0.1', port: port(), agent: false }, (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve(text));
      response.on('error', () => resolve(REFUSED));
    }).on('error', () => resolve(REFUSED));
  });

const byUs = async (): Promise<string> => {
  await using client = new HttpClient();
  try {
    return Buffer.from(await (await client.request(`http://127.0.0.1:${port()}/`)).bytes()).toString('latin1');
  } catch (error) {
    expect((error as { code?: string }).code).toMatch(/^(?:PROTOCOL|CLOSED)$/);
    return REFUSED;
  }
};

test.each(vectors)('llhttp and we on $wire', async ({ wire, ours, llhttp = ours, why }) => {
  current = wire;
  expect(llhttp === ours || why !== undefined).toBe(true);
  expect({ ours: await byUs(), llhttp: await byNode() }).toEqual({ ours, llhttp });
});
