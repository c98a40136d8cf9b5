import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compose, parseSync } from '../../src/mime/index.ts';
import { NntpClient } from '../../src/nntp/index.ts';
import { nntpClientSuite } from '../suites/nntp.ts';
import { startInn } from './inn.ts';

nntpClientSuite('INN, its reader daemon, with STARTTLS and login', async () => {
  const server = await startInn();
  return {
    target: `nntp://ann:secret@127.0.0.1:${server.readerPort}`,
    options: { tls: { ca: server.ca } },
    group: 'local.test',
    lacks: [],
    close: () => server.close(),
  };
});

describe('INN, as a peer feeds it', () => {
  let server: Awaited<ReturnType<typeof startInn>>;
  beforeAll(async () => {
    server = await startInn();
  }, 60_000);
  afterAll(() => server?.close());
  const article = async (messageId: string): Promise<Uint8Array> =>
    compose({
      from: 'ann@example.com',
      subject: 'fed',
      text: '.dots\r\n',
      messageId,
      headers: { Newsgroups: 'local.test', Path: 'peer.example!not-for-mail' },
    }).bytes();

  test('IHAVE, CHECK and TAKETHIS', async () => {
    await using feed = await NntpClient.connect(`nntp://127.0.0.1:${server.feedPort}?tls=none`, { mode: 'transit' });
    expect(feed.capabilities.has('STREAMING')).toBe(true);
    const ids = ['a', 'b', 'c'].map((name) => `<${name}@feed.postwire.test>`) as [string, string, string];
    expect((await feed.ihave(ids[0], await article(ids[0]))).code).toBe(235);
    await expect(feed.ihave(ids[0], await article(ids[0]))).rejects.toMatchObject({ reply: { code: 435 } });
    await feed.modeStream();
    expect(await Promise.all(ids.map((id) => feed.check(id)))).toEqual(['unwanted', 'wanted', 'wanted']);
    expect(await feed.takeThis(ids[1], await article(ids[1]))).toBe('accepted');
    expect(await feed.takeThis(ids[1], await article(ids[1]))).toBe('refused');
    expect(await feed.takeThis(ids[2], await article(ids[2]))).toBe('accepted');
    await using reader = await NntpClient.connect(`nntp://ann:secret@127.0.0.1:${server.readerPort}`, {
      tls: { ca: server.ca },
    });
    expect(parseSync((await reader.read('article', ids[2])).bytes).text).toBe('.dots\n');
  });
});
