import { UsageError } from '../errors.ts';
import type { Connection } from '../socket/connection.ts';
import { iterateBytes } from '../wire/byte-stream.ts';
import type { CommandLiteral, CommandPart } from './codec/command.ts';

/** Literals that can leave with the text around them: held, and without a go-ahead. */
export const leavesAtOnce = (part: CommandPart): boolean =>
  !('source' in part) ||
  (!part.synchronizing && part.source instanceof Uint8Array && part.source.length === part.sizeBytes);

/**
 * Writes a command whose literals wait for a go-ahead, or come from a source. False when the server refused it before the end: then the rest
 * is not sent, and the session stays in step. UsageError for a source that is not as long as was announced: then the server waits for
 * bytes that will not come, and the connection is of no more use.
 */
export async function writeCommand(
  connection: Connection,
  verb: string,
  parts: readonly CommandPart[],
  goAhead: () => Promise<boolean>,
  onProgress: () => void,
): Promise<boolean> {
  for (const part of parts) {
    if (!('source' in part)) await connection.write([part]);
    else if (part.synchronizing && !(await goAhead())) return false;
    else await writeLiteral(connection, verb, part, onProgress);
  }
  return true;
}

async function writeLiteral(
  connection: Connection,
  verb: string,
  { source, sizeBytes }: CommandLiteral,
  onProgress: () => void,
): Promise<void> {
  let left = sizeBytes;
  for await (const chunk of connection.pull(iterateBytes(source, 'the literal'))) {
    // Checked before it leaves: what is too much must not be taken for the next command.
    if (chunk.length > left)
      throw new UsageError(`the source of ${verb} is longer than the ${sizeBytes} bytes that were announced`, {
        reusable: false,
      });
    left -= chunk.length;
    await connection.write([chunk]);
    onProgress();
  }
  if (left > 0)
    throw new UsageError(`the source of ${verb} ended ${left} bytes short of the ${sizeBytes} that were announced`, {
      reusable: false,
    });
}
