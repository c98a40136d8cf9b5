import { UsageError } from '../../errors.ts';
import { getServByName } from '../names.ts';

/** One service of a super-server, as its file or a program says it. */
export interface SuperService {
  /** In messages; in a file the first word, and the port when it has a number or a well-known name. */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp' | 'unix';
  /** TCP and UDP. Default host 127.0.0.1; in a file `host:port` or `host:name`, with * for all addresses. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Unix: where the socket is made. */
  readonly path?: string | undefined;
  /** False ('nowait'): a program for each connection, which is its standard input and output. True: one program, which gets the listening socket. */
  readonly wait: boolean;
  /** The user to run it as. Default: this process's. Others need root. */
  readonly user?: string | undefined;
  readonly program: string;
  /** Without the program's own name. */
  readonly args?: readonly string[] | undefined;
  /** Programs at once, for 'nowait'. Default 40. */
  readonly maxInstances?: number | undefined;
}

/**
 * Reads a file of inetd's form, one service a line:
 *
 *     # name     type    protocol  wait[.max]  user    program        arguments, the program's name first
 *     echo       stream  tcp       nowait.10   nobody  /bin/cat       cat
 *     *:2000     stream  tcp6      nowait      root    /usr/bin/who   who -H
 *     /run/x     stream  unix      nowait      root    /bin/cat       cat
 *
 * UsageError that names the line and what is wrong in it.
 */
export function parseInetd(text: string): SuperService[] {
  const services: SuperService[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const words = line
      .replace(/(?:^|\s)#.*$/, '')
      .trim()
      .split(/\s+/);
    if (words[0] === '') continue;
    try {
      services.push(readService(words));
    } catch (error) {
      throw new UsageError(`line ${index + 1}: ${(error as Error).message}`, { cause: error });
    }
  }
  return services;
}

function readService(words: readonly string[]): SuperService {
  const [name = '', type = '', protocol = '', wait = '', user = '', program = '', ...args] = words;
  if (program === '') throw new UsageError('expected: name type protocol wait|nowait user program arguments');
  const known = /^(?:(tcp|udp)([46]?)|unix)$/.exec(protocol);
  if (known === null) throw new UsageError(`protocol must be tcp, udp (or with 4 or 6) or unix; got ${protocol}`);
  const kind = (known[1] ?? 'unix') as 'tcp' | 'udp' | 'unix';
  if (type !== (kind === 'udp' ? 'dgram' : 'stream'))
    throw new UsageError(`the type of ${protocol} is ${kind === 'udp' ? 'dgram' : 'stream'}; got ${type}`);
  const waits = /^(no)?wait(?:[./]([1-9][0-9]{0,4}))?$/.exec(wait);
  if (waits === null) throw new UsageError(`expected wait or nowait, with .number for the most at once; got ${wait}`);
  const service = {
    name,
    protocol: kind,
    wait: waits[1] === undefined,
    user: user.replace(/[:.].*$/, ''),
    program,
    // The first is the program's own name.
    args: args.slice(1),
    maxInstances: waits[2] === undefined ? undefined : Number(waits[2]),
  };
  if (kind === 'unix') return { ...service, path: name };
  const at = name.lastIndexOf(':');
  const host = at < 0 ? undefined : name.slice(0, at).replace(/^\[|\]$/g, '');
  const port = name.slice(at + 1);
  const all = known[2] === '6' ? '::' : '0.0.0.0';
  return {
    ...service,
    host: host === '*' ? all : (host ?? (known[2] === '6' ? '::1' : '127.0.0.1')),
    port: /^[0-9]+$/.test(port) ? Number(port) : getServByName(port, kind),
  };
}
