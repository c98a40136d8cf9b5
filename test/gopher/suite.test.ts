import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { serveGopher } from '../../src/gopher/index.ts';
import { fakeGopher } from '../../src/testing/index.ts';
import { gopherClientSuite, gopherFiles } from '../suites/gopher.ts';

gopherClientSuite('the fake', async () => {
  const server = await fakeGopher({ files: gopherFiles });
  return { url: server.url, options: {}, close: () => server.close() };
});
gopherClientSuite('the fake over TLS, its bytes split', async () => {
  const server = await fakeGopher({ files: gopherFiles, tls: 'implicit', wire: { splitEvery: 4999 } });
  return { url: server.url, options: { tls: { ca: server.ca as string } }, close: () => server.close() };
});
gopherClientSuite('serveGopher over a folder', async () => {
  const root = mkdtempSync(join(tmpdir(), 'postwire-gopher-'));
  for (const [name, content] of Object.entries(gopherFiles)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  const server = await serveGopher({ root });
  return { url: `gopher://${server.host}:${server.port}`, options: {}, close: () => server.close() };
});
