import { isIP } from 'node:net';
import { LimitError } from '../../errors.ts';
import { wholeNumber } from '../../wire/limits.ts';
import { type Rate, TokenBucket } from '../rate.ts';

export interface GateOptions {
  /** Connections, or datagrams being handled, at once. Further ones are refused. Default: no limit. */
  readonly maxConnections?: number | undefined;
  /** The same for one peer: an IPv4 address, or the first 64 bits of an IPv6 address. */
  readonly maxConnectionsPerPeer?: number | undefined;
  /** New connections, or datagrams, of all peers. */
  readonly rate?: Rate | undefined;
  /** The same for one peer. */
  readonly ratePerPeer?: Rate | undefined;
}

/** Peers whose rate is remembered, at most: those that have been quiet are forgotten first. */
const MAX_PEERS = 10_000;

/** Says who may come in, and counts who is in. */
export class Gate {
  readonly #max: number;
  readonly #maxPerPeer: number;
  readonly #bucket: TokenBucket | undefined;
  readonly #ratePerPeer: Rate | undefined;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #peers = new Map<string, number>();
  #count = 0;

  constructor(options: GateOptions) {
    this.#max = wholeNumber('maxConnections', options.maxConnections ?? Number.POSITIVE_INFINITY);
    this.#maxPerPeer = wholeNumber('maxConnectionsPerPeer', options.maxConnectionsPerPeer ?? Number.POSITIVE_INFINITY);
    this.#bucket = options.rate === undefined ? undefined : new TokenBucket(options.rate);
    this.#ratePerPeer = options.ratePerPeer;
    // A rate that is none is refused now, not when the first peer comes.
    if (options.ratePerPeer !== undefined) this.#buckets.set('', new TokenBucket(options.ratePerPeer));
  }

  /** Where nothing goes by the peer, nothing is kept of it. */
  get #knowsPeers(): boolean {
    return this.#maxPerPeer !== Number.POSITIVE_INFINITY || this.#ratePerPeer !== undefined;
  }

  get count(): number {
    return this.#count;
  }

  /** Lets a peer in, and counts it until `leave`; or says why not. Unix sockets' peers have no address and are one. */
  enter(address: string): LimitError | undefined {
    if (this.#count >= this.#max) return refusal(address, `there are ${this.#max} already`, 'MAX_CONNECTIONS');
    const peer = this.#knowsPeers ? peerKey(address) : '';
    const own = this.#peers.get(peer) ?? 0;
    if (own >= this.#maxPerPeer)
      return refusal(address, `it has ${this.#maxPerPeer} already`, 'MAX_CONNECTIONS_PER_PEER');
    if (this.#ratePerPeer !== undefined && !this.#bucketOf(peer, this.#ratePerPeer).take())
      return refusal(address, 'it comes too often', 'RATE_PER_PEER');
    if (this.#bucket !== undefined && !this.#bucket.take())
      return refusal(address, 'there are too many a second', 'RATE');
    this.#count++;
    if (this.#knowsPeers) this.#peers.set(peer, own + 1);
    return undefined;
  }

  leave(address: string): void {
    this.#count--;
    if (!this.#knowsPeers) return;
    const peer = peerKey(address);
    const own = this.#peers.get(peer) ?? 0;
    if (own <= 1) this.#peers.delete(peer);
    else this.#peers.set(peer, own - 1);
  }

  #bucketOf(peer: string, rate: Rate): TokenBucket {
    let bucket = this.#buckets.get(peer);
    if (bucket !== undefined) return bucket;
    if (this.#buckets.size >= MAX_PEERS) {
      for (const [name, each] of this.#buckets) if (each.isFull()) this.#buckets.delete(name);
      const [oldest] = this.#buckets.keys();
      if (this.#buckets.size >= MAX_PEERS && oldest !== undefined) this.#buckets.delete(oldest);
    }
    bucket = new TokenBucket(rate);
    this.#buckets.set(peer, bucket);
    return bucket;
  }
}

/** One customer has 2^64 IPv6 addresses: they count as one peer. */
export function peerKey(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = new URL(`http://[${plain}]/`).hostname.slice(1, -1).split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) while (groups.length < 8 - (tail === '' ? 0 : tail.split(':').length)) groups.push('0');
  return groups.slice(0, 4).join(':');
}

function refusal(address: string, why: string, reason: string): LimitError {
  return new LimitError(`a client of ${address === '' ? 'this machine' : address} was refused: ${why}`, {
    reason,
    host: address === '' ? undefined : address,
    temporary: true,
  });
}
