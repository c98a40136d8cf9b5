import { type Socket, createServer } from 'node:net';

/** A server of bytes: `talk` gets each socket; what the clients sent is kept. */
export async function byteServer(
  talk: (socket: Socket) => void,
): Promise<{ url: string; received: () => string; close(): void; until(text: string): Promise<void> }> {
  let received = '';
  const sockets = new Set<Socket>();
  const watching = new Set<() => void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      for (const look of watching) look();
    });
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `telnet://127.0.0.1:${(server.address() as { port: number }).port}`,
    received: () => received,
    until: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!received.includes(text)) return;
          watching.delete(look);
          resolve();
        };
        watching.add(look);
        look();
      }),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

export const raw = (text: string): Buffer => Buffer.from(text, 'latin1');
