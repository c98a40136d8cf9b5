import { fakeMailHost } from '../../src/testing/index.ts';
import { pop3ClientSuite, sampleMessages } from '../suites/pop3.ts';

pop3ClientSuite('the fake server', async () => {
  const host = await fakeMailHost({ tls: 'starttls', users: { 'ann@example.com': 'pass word' } });
  for (const message of sampleMessages) {
    host.store.add({
      envelope: { from: 'b@c.example', to: ['ann@example.com'], parameters: new Map() },
      raw: Buffer.from(message),
      receivedAt: new Date(),
      secure: false,
      user: undefined,
    });
  }
  return {
    target: host.pop3.url,
    options: { tls: { ca: host.pop3.ca } },
    messages: sampleMessages,
    close: () => host.close(),
  };
});
