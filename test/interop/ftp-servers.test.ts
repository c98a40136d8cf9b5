import { ftpClientSuite } from '../suites/ftp.ts';
import { type RealFtpServer, startProftpd, startVsftpd } from './ftp-servers.ts';

const under = async (
  starting: Promise<RealFtpServer>,
  login: string,
  tls: boolean,
  path: string,
): Promise<{ target: string; options: object; close: () => Promise<void> }> => {
  const server = await starting;
  return {
    target: `ftp://${login}127.0.0.1:${server.port}${path}`,
    options: tls ? { tls: { ca: server.ca } } : { tls: 'none', allowInsecureAuth: true },
    close: () => server.close(),
  };
};

for (const tls of [false, true]) {
  const how = tls ? 'with TLS' : 'without TLS';
  ftpClientSuite(`vsftpd ${how}`, () => under(startVsftpd(tls), '', tls, '/up'));
  ftpClientSuite(`ProFTPD ${how}`, () => under(startProftpd(tls), 'ann:pass%20word@', tls, ''));
}
