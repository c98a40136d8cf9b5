import { lookup as systemLookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { ConnectError } from '../errors.ts';
import type { Lookup } from './happy-eyeballs.ts';

/** Everything that is not the public internet: RFC 6890 and its successors, and the tunnels that lead back inside. */
const inside = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  inside.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  // Unspecified, loopback, and IPv4 in its mapped and compatible forms.
  ['::', 80],
  ['::ffff:0:0:0', 96],
  // NAT64, discard, Teredo, documentation, 6to4.
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const)
  inside.addSubnet(network, prefix, 'ipv6');

/** True for an address of the public internet; false for what is private, local, reserved, or a tunnel to it. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  const bare = address.replace(/%.*$/, '');
  return family !== 0 && !inside.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

/** ConnectError unless the address is public. */
export function demandPublicAddress(address: string, host: string): void {
  if (isPublicAddress(address)) return;
  throw new ConnectError(`${host} has the address ${address}, which is not public, and only public ones are allowed`, {
    reason: 'ADDRESS_DENIED',
    phase: 'connect',
  });
}

/** The resolver, with every name refused that has an address inside. A literal address never reaches a resolver: check it yourself. */
export function publicLookup(lookup: Lookup = (name) => systemLookup(name, { all: true, verbatim: true })): Lookup {
  return async (host) => {
    const found = await lookup(host);
    for (const { address } of found) demandPublicAddress(address, host);
    return found;
  };
}

/** True for what is an address and not a name. */
export const isLiteralAddress = (host: string): boolean => isIP(host) !== 0;
