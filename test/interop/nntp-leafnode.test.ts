import { expect } from 'vitest';
import { fakeNntp } from '../../src/testing/index.ts';
import { nntpClientSuite } from '../suites/nntp.ts';
import { startLeafnode } from './leafnode.ts';

// Both ways at once: leafnode reads from the fake, and the client from leafnode.
nntpClientSuite('leafnode, which has its articles from the fake', async () => {
  const upstream = await fakeNntp();
  upstream.store.addGroup('misc.test', { description: 'For tests' });
  upstream.store.add(
    `Newsgroups: misc.test\r\nMessage-ID: <first@x.example>\r\nFrom: a@b.example\r\nDate: ${new Date().toUTCString().replace('GMT', '+0000')}\r\nSubject: first\r\n\r\nx\r\n`,
  );
  const server = await startLeafnode(upstream.port);
  const first = await server.fetch();
  expect(first.out + first.err).toContain('1 article fetched');
  return {
    target: `nntp://127.0.0.1:${server.port}?tls=none`,
    options: {},
    group: 'misc.test',
    lacks: ['CAPABILITIES', 'LIST COUNTS', 'LISTGROUP range', 'XPAT', 'NEWNEWS', 'COMPRESS', 'login'],
    async seed(articles) {
      for (const article of articles) upstream.store.add(article);
      const fetched = await server.fetch();
      expect(fetched.out + fetched.err).toContain(`${articles.length} articles fetched`);
    },
    async close() {
      await server.close();
      await upstream.close();
    },
  };
});
