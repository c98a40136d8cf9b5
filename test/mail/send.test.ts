import { mkdtempSync, openSync, ftruncateSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ClosedError, UsageError } from '../../src/errors.ts';
import { sendMail } from '../../src/mail/index.ts';
import { fakeSmtp } from '../../src/testing/index.ts';

const draft = { from: 'me@example.com', to: 'you@example.com', text: 'hi' };

test('what is wrong with the message is found before anything is connected', async () => {
  await using server = await fakeSmtp();
  for (const bad of [
    { ...draft, to: undefined },
    { ...draft, to: 'nonsense' },
    { ...draft, attachments: [{ file: 'missing.pdf' }] },
    { raw: { content: 'x' } } as never,
    5 as never,
  ]) {
    await expect(sendMail(server.url, bad)).rejects.toThrow(UsageError);
  }
  await expect(sendMail(undefined, draft)).rejects.toThrow(/is the environment variable set/);
  expect(server.transcript).toEqual([]);
});

test('bad input gives one sentence that says what to do', async () => {
  await using server = await fakeSmtp({ tls: 'starttls', users: { me: 'right' } });
  const tls = { ca: server.ca as string };
  const address = `${server.host}:${server.port}`;
  await expect(sendMail(`smtp://me:wrong@${address}`, draft, { tls })).rejects.toMatchObject({
    code: 'AUTH',
    message: expect.stringMatching(/^login as me by .* refused: 535/) as string,
    hint: expect.stringContaining('check user and password') as string,
  });
  await expect(sendMail(`smtp://me:right@${address}`, draft)).rejects.toMatchObject({
    code: 'TLS',
    message: expect.stringContaining('was refused') as string,
    hint: expect.stringContaining('tls.ca') as string,
  });
  await expect(sendMail(`smtps://me:right@${address}`, draft, { tls })).rejects.toMatchObject({
    code: 'TLS',
    hint: expect.stringContaining("tls: 'starttls'") as string,
  });
  await expect(sendMail(`smtp://${address}`, draft, { tls })).rejects.toMatchObject({
    code: 'REPLY',
    reply: { code: 530 },
    hint: expect.stringContaining('give user and password') as string,
  });
  await expect(sendMail('smtp://127.0.0.1:1', draft)).rejects.toMatchObject({
    code: 'CONNECT',
    hint: expect.stringContaining('check host and port') as string,
  });
  await using plain = await fakeSmtp();
  await expect(sendMail(`smtp://127.0.0.1:${plain.port}`, draft)).rejects.toMatchObject({
    code: 'TLS',
    reason: 'STARTTLS_UNAVAILABLE',
    hint: expect.stringContaining("tls: 'none'") as string,
  });
  plain.on('DATA').afterBytes(10).close();
  await expect(
    sendMail(
      plain.url,
      { ...draft, attachments: [{ content: new Uint8Array(30_000_000), filename: 'x' }] },
      { transfer: 'data' },
    ),
  ).rejects.toThrow(ClosedError);
  expect(plain.messages).toEqual([]);
});

test('progress and abort', async () => {
  await using server = await fakeSmtp();
  const seen: number[] = [];
  const result = await sendMail(
    server.url,
    { ...draft, attachments: [{ content: new Uint8Array(2_000_000), filename: 'x' }] },
    { onProgress: ({ bytes, totalBytes }) => seen.push(bytes / (totalBytes ?? 1)) },
  );
  expect(seen.length).toBeGreaterThan(5);
  expect(seen.at(-1)).toBe(1);
  expect([...seen].sort((left, right) => left - right)).toEqual(seen);
  expect(result.refused).toEqual([]);
  const reason = new Error('stop');
  await expect(sendMail(server.url, draft, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  await expect(
    sendMail(
      server.url,
      { ...draft, attachments: [{ content: new Uint8Array(20_000_000), filename: 'x' }] },
      { signal: controller.signal, onProgress: () => controller.abort(reason) },
    ),
  ).rejects.toBe(reason);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(server.messages).toHaveLength(1);
});

test('a large attachment streams: memory does not grow with it', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'postwire-')), 'big.bin');
  const handle = openSync(path, 'w');
  ftruncateSync(handle, 200_000_000);
  closeSync(handle);
  let length = 0;
  await using server = await fakeSmtp({
    maxMessageBytes: 1e9,
    receive: async (body) => {
      for await (const chunk of body) length += chunk.length;
    },
  });
  const before = process.memoryUsage().rss;
  let peak = 0;
  const result = await sendMail(
    server.url,
    { ...draft, attachments: [{ file: path }] },
    { onProgress: () => (peak = Math.max(peak, process.memoryUsage.rss())) },
  );
  expect(length).toBe(result.sizeBytes);
  expect(length).toBeGreaterThan(270_000_000);
  expect(peak - before).toBeLessThan(150e6);
}, 60_000);
