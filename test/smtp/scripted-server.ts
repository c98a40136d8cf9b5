import { createServer } from 'node:net';

/** A server of bytes: it greets with the first step, then answers each line with the next; null hangs up. */
export async function scriptedServer(
  steps: readonly (string | null)[],
): Promise<{ port: number; lines: string[]; close(): void }> {
  const lines: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const rest = [...steps];
    const answer = (): void => {
      const step = rest.shift();
      if (step === null) socket.destroy();
      else if (step !== undefined) socket.write(step, 'latin1');
    };
    answer();
    let buffer = '';
    socket.on('data', (chunk) => {
      buffer += chunk.toString('latin1');
      for (let at = buffer.indexOf('\n'); at >= 0; at = buffer.indexOf('\n')) {
        lines.push(buffer.slice(0, at).trimEnd());
        buffer = buffer.slice(at + 1);
        answer();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, lines, close: () => void server.close() };
}
