import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { XmlRpcFault, xmlRpc, xmlRpcDispatcher, xmlRpcTyped } from '../../src/http/index.ts';
import { encodeXmlRpcCall, encodeXmlRpcResult, parseXmlRpc } from '../../src/http/xml-rpc-codec.ts';
import { fakeHttp } from '../../src/testing/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

const back = (value: unknown): unknown => {
  const message = parseXmlRpc(encodeXmlRpcResult(value));
  return message.kind === 'result' ? message.value : message;
};
const result = (inner: string): unknown => {
  const message = parseXmlRpc(`<methodResponse><params><param>${inner}</param></params></methodResponse>`);
  return message.kind === 'result' ? message.value : message;
};

test.each<[string, unknown]>([
  ['text', 'a <b> & é 中\r\n\t'],
  ['empty text', ''],
  ['int', -(2 ** 31 - 1)],
  ['double', 2 ** 31],
  ['small double', 1.5e-7],
  ['i8', 2n ** 63n - 1n],
  ['boolean', false],
  ['nil', null],
  ['date', new Date('2026-11-21T17:00:00Z')],
  ['bytes', new Uint8Array([0, 1, 255])],
  ['list', [1, [2, []], 'x']],
])('read back: %s', (_name, value) => expect(back(value)).toEqual(value));

test('structs, forced types, and values without a type', () => {
  expect({ ...(back({ a: 1, b: { c: null }, d: undefined }) as object) }).toEqual({
    a: 1,
    b: Object.assign(Object.create(null), { c: null }),
  });
  expect(encodeXmlRpcCall('m', [xmlRpcTyped('double', 1), xmlRpcTyped('i8', 2)])).toContain(
    '<param><value><double>1</double></value></param><param><value><i8>2</i8></value></param>',
  );
  expect(result('<value>plain</value>')).toBe('plain');
  expect(result('<value> <int> 7 </int> </value>')).toBe(7);
  expect(result('<value><ex:nil xmlns:ex="x"/></value>')).toBeNull();
  expect(result('<value><string><![CDATA[<x>]]></string></value>')).toBe('<x>');
  expect(result('<value><dateTime.iso8601>20260102T03:04:05</dateTime.iso8601></value>')).toEqual(
    new Date('2026-01-02T03:04:05Z'),
  );
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(back(value)).toBe(value);
    }),
  );
});

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['function', () => 1],
  ['infinity', Infinity],
  ['i8 too large', 2n ** 63n],
  ['int too large', xmlRpcTyped('int', 2 ** 31)],
  ['a NUL', 'a\0'],
  ['half a pair', '\ud800'],
  ['no date', new Date(Number.NaN)],
])('refused before it is sent: %s', (_name, value) =>
  expect(() => encodeXmlRpcCall('m', [value])).toThrow(expect.objectContaining({ code: 'USAGE' }) as Error),
);

test('what is nested in itself, and names that are none', () => {
  const loop: unknown[] = [];
  loop.push(loop);
  expect(() => encodeXmlRpcCall('m', [loop])).toThrow(/nested/);
  expect(() => encodeXmlRpcCall('a b', [])).toThrow(/method name/);
});

test.each([
  '<methodResponse>',
  '',
  'not xml',
  '<html><body>500</body></html>',
  '<!DOCTYPE a [<!ENTITY b "c">]><methodResponse><params><param><value>&b;</value></param></params></methodResponse>',
  '<methodResponse><params><param><value>&nbsp;</value></param></params></methodResponse>',
  '<methodResponse><params></params></methodResponse>',
  '<methodResponse><params><param><value><int>1.5</int></value></param></params></methodResponse>',
  '<methodResponse><params><param><value><int>2147483648</int></value></param></params></methodResponse>',
  '<methodResponse><params><param><value><boolean>2</boolean></value></param></params></methodResponse>',
  '<methodResponse><params><param><value><double>NaN</double></value></param></params></methodResponse>',
  '<methodResponse><params><param><value><int>1</int><int>2</int></value></param></params></methodResponse>',
  '<methodResponse><params><param><value><struct><member><name>a</name></member></struct></value></param></params></methodResponse>',
  '<methodResponse><fault><value>no</value></fault></methodResponse>',
])('refused: %j', (text) =>
  expect(() => parseXmlRpc(text)).toThrow(expect.objectContaining({ code: 'PROTOCOL' }) as Error),
);

test('depth has a cap, and no name reaches a prototype', () => {
  const deep = `${'<value><array><data>'.repeat(10_000)}${'</data></array></value>'.repeat(10_000)}`;
  expect(() => result(deep)).toThrow(expect.objectContaining({ code: 'LIMIT' }) as Error);
  const struct = result(
    '<value><struct><member><name>__proto__</name><value><struct><member><name>polluted</name><value>yes</value></member></struct></value></member></struct></value>',
  ) as object;
  expect(Object.getPrototypeOf(struct)).toBeNull();
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test('client and dispatcher: methods, faults, multicall, introspection, status', async () => {
  const dispatch = xmlRpcDispatcher({
    add: (a, b) => (a as number) + (b as number),
    'math.neg': (a) => -(a as number),
    fail: () => {
      throw new XmlRpcFault(7, 'on purpose');
    },
    crash: () => {
      throw new Error('secret detail');
    },
    nothing: () => undefined,
  });
  const server = await fakeHttp({
    routes: {
      'POST /RPC2': async (request) => ({
        headers: { 'Content-Type': 'text/xml' },
        body: await dispatch(request.text),
      }),
      '/broken': { status: 500, body: '<html>' },
    },
  });
  open.push(server);
  const client = xmlRpc<{ add(a: number, b: number): Promise<number>; math: { neg(a: number): Promise<number> } }>(
    `${server.url}/RPC2`,
  );
  open.push(client);
  expect(await client.methods.add(1, 2)).toBe(3);
  expect(await client.methods.math.neg(1)).toBe(-1);
  expect(await client.call('nothing')).toBeNull();
  await expect(client.call('fail')).rejects.toMatchObject({ code: 'REPLY', reply: { code: 7, text: 'on purpose' } });
  await expect(client.call('crash')).rejects.toMatchObject({ reply: { code: -32603, text: 'internal error' } });
  await expect(client.call('constructor')).rejects.toMatchObject({ reply: { code: -32601 } });
  const [sum, failed] = await client.multicall([['add', 1, 2], ['fail']]);
  expect(sum).toBe(3);
  expect(failed).toMatchObject({ code: 'REPLY', reply: { code: 7 } });
  expect(await client.listMethods()).toContain('math.neg');
  expect(server.requests[0]?.headers.get('content-type')).toBe('text/xml');
  const broken = xmlRpc(`${server.url}/broken`);
  open.push(broken);
  await expect(broken.call('x')).rejects.toMatchObject({ code: 'REPLY', reply: { code: 500 } });
  expect(await dispatch('nonsense')).toContain('<fault>');
});
