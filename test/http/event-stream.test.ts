import { expect, test } from 'vitest';
import { LimitError } from '../../src/errors.ts';
import { EventParser, type ServerEvent, events } from '../../src/http/event-stream.ts';
import { HttpClient } from '../../src/http/index.ts';
import { fakeHttp } from '../../src/testing/index.ts';

const sample =
  '\ufeff: comment\r\ndata: one\rdata:two\ndata\nid: 7\nevent: e\n\nid\ndata:  x\n\nretry: 50\n\ndata: cut';
const wanted: ServerEvent[] = [
  { type: 'e', data: 'one\ntwo\n', id: '7' },
  { type: 'message', data: ' x', id: '' },
];

test('events, however they are cut', () => {
  for (let at = 0; at <= sample.length; at++) {
    const parser = new EventParser();
    const found = [...parser.push(sample.slice(0, at)), ...parser.push(sample.slice(at))];
    expect([found, parser.retryMs]).toEqual([wanted, 50]);
  }
  const parser = new EventParser();
  expect([...sample].flatMap((character) => parser.push(character))).toEqual(wanted);
});

test('HT-28: endless data ends at the cap, retry is clamped, fragments cost linear time', () => {
  const endless = new EventParser(10_000);
  expect(() => {
    for (;;) endless.push('data: x\n');
  }).toThrow(LimitError);
  const line = new EventParser(10_000);
  expect(() => {
    for (;;) line.push('data: xxxxxxxxxxxx');
  }).toThrow(LimitError);
  const parser = new EventParser();
  parser.push('retry: 999999999999\n');
  expect(parser.retryMs).toBe(60_000);
  parser.push('retry: -1\nretry: 1e3\n');
  expect(parser.retryMs).toBe(60_000);
  for (let count = 0; count < 1_000_000; count++) parser.push('x');
  expect(parser.push('\ndata: y\n\n')).toHaveLength(1);
});

test('a stream that ends is taken up again behind the last event', async () => {
  let count = 0;
  const asked: (string | undefined)[] = [];
  await using server = await fakeHttp({
    routes: {
      '/': (request) => {
        asked.push(request.headers.get('last-event-id'));
        if (++count === 4) return { status: 204 };
        return { headers: { 'Content-Type': 'text/event-stream' }, body: `retry: 1\nid: ${count}\ndata: ${count}\n\n` };
      },
      '/page': { headers: { 'Content-Type': 'text/html' }, body: '<p>' },
    },
  });
  await using client = new HttpClient({ baseUrl: server.url });
  const seen: string[] = [];
  for await (const event of events(client, '/', { reconnectMs: 1 })) {
    seen.push(event.data);
    if (seen.length === 1) server.on('GET').once().reset();
  }
  expect([seen, asked]).toEqual([
    ['1', '2', '3'],
    [undefined, '1', '2', '3'],
  ]);
  await expect(events(client, '/page').next()).rejects.toMatchObject({ reason: 'NOT_EVENTS' });
  await expect(events(client, '/none').next()).rejects.toMatchObject({ code: 'REPLY' });
});
