import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { fakeForSuite, httpClientSuite, largeFile } from '../suites/http.ts';

httpClientSuite('the fake server', () => fakeForSuite());
httpClientSuite('the fake server, in pieces', () => fakeForSuite({ wire: { splitEvery: 60_000 } }));

httpClientSuite('node:http', async () => {
  const server = createServer((request, response) => {
    const { url } = request;
    if (url === '/hello') {
      response.setHeader('Content-Length', 5);
      response.end('hello');
    } else if (url === '/chunked') {
      response.write('one ');
      response.write('two ');
      response.end('three');
    } else if (url === '/gzip') {
      response.setHeader('Content-Encoding', 'gzip');
      response.end(gzipSync('hello'));
    } else if (url === '/redirect') {
      response.writeHead(302, { Location: '/hello' });
      response.end();
    } else if (url === '/large') {
      const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      response.statusCode = match === null ? 200 : 206;
      response.end(match === null ? largeFile : largeFile.subarray(Number(match[1]), Number(match[2]) + 1));
    } else if (url === '/echo') request.pipe(response);
    else {
      response.statusCode = 404;
      response.end('no');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
});
