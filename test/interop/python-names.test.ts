import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { run } from './process.ts';

/** Every public function and method of the modules; what later Pythons no longer have is left to those that do. */
const program = `
import importlib, inspect, warnings
warnings.simplefilter('ignore')
wanted = {
  'socket': [None, 'socket'],
  'socketserver': ['BaseServer', 'TCPServer', 'UDPServer', 'BaseRequestHandler', 'ThreadingMixIn', 'ForkingMixIn'],
  'smtplib': ['SMTP'], 'poplib': ['POP3'], 'imaplib': [None, 'IMAP4'], 'ftplib': ['FTP', 'FTP_TLS'], 'telnetlib': ['Telnet'], 'nntplib': ['NNTP'],
  'http.client': ['HTTPConnection'], 'urllib.request': [None, 'Request', 'OpenerDirector'], 'urllib.parse': [None], 'xmlrpc.client': [None],
  'syslog': [None], 'email': [None], 'email.message': ['EmailMessage'], 'email.utils': [None], 'email.header': [None, 'Header'],
  'email.parser': ['BytesParser', 'BytesFeedParser'], 'email.generator': ['BytesGenerator'],
}
for name, classes in wanted.items():
  try: module = importlib.import_module(name)
  except ImportError: continue
  for each in classes:
    holder = module if each is None else getattr(module, each)
    names = getattr(holder, '__all__', dir(holder)) if each is None and name != 'socket' else dir(holder)
    for one in names:
      if not one.startswith('_') and inspect.isroutine(getattr(holder, one, None)): print(name, one)
`;

test('docs/from-python.md has every function and method of Python’s modules', async () => {
  const page = readFileSync('docs/from-python.md', 'utf8');
  const sections = new Map(page.split(/^## /m).map((section) => [section.split('\n')[0], section]));
  const { out, err } = await run('python3', ['-c', program]);
  expect(err).toBe('');
  const lines = out.trim().split('\n');
  expect(lines.length).toBeGreaterThan(300);
  const missing = lines.filter((line) => {
    const [module = '', name = ''] = line.split(' ');
    const section = sections.get(module) ?? sections.get(module.split('.')[0]) ?? '';
    return !new RegExp(`\\b${name}\\b`).test(section);
  });
  expect(missing).toEqual([]);
});
