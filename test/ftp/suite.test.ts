import { fakeFtp, testTls } from '../../src/testing/index.ts';
import { ftpClientSuite } from '../suites/ftp.ts';

const users = { ann: 'pass word' };

ftpClientSuite('the fake server', async () => {
  const server = await fakeFtp({ users });
  return { target: server.url, options: {}, close: () => server.close() };
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  ftpClientSuite(`the fake server, explicit ${version}, sessions to be resumed`, async () => {
    const { ca, server: tls } = await testTls('valid');
    const server = await fakeFtp({
      users,
      tls: 'starttls',
      certificate: { ...tls, maxVersion: version },
      requireSessionReuse: true,
      requireProtection: true,
    });
    return { target: server.url, options: { tls: { ca } }, close: () => server.close() };
  });

ftpClientSuite('the fake server, implicit TLS, without MLSD and EPSV', async () => {
  const server = await fakeFtp({
    users,
    tls: 'implicit',
    requireSessionReuse: true,
    features: { MLST: false, EPSV: false, EPRT: false },
  });
  return { target: server.url, options: { tls: { ca: server.ca } }, close: () => server.close() };
});
