import { BlockList, isIP } from 'node:net';
import { UsageError } from '../errors.ts';

/** What is not the public internet: this machine, private networks, link-local (cloud metadata), multicast, and what is reserved. */
const notPublic = (
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 ' +
  '192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 ' +
  '::/128 ::1/128 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 fc00::/7 fe80::/10 fec0::/10 ff00::/8'
).split(' ');

/** Ranges that must not be connected to: 'private' for all that is not the public internet, or CIDR ranges and addresses. */
export type AddressBlock = 'private' | readonly string[];

/** True for the addresses that a connection may be made to. UsageError for a range that is none. */
export function addressFilter(block: AddressBlock): (address: string) => boolean {
  const list = new BlockList();
  for (const range of block === 'private' ? notPublic : block) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    if (family === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)))
      throw new UsageError(`blockAddresses: ${JSON.stringify(range)} is no address and no range such as 10.0.0.0/8`);
    list.addSubnet(address, bits === undefined ? most : Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  }
  return (address) => {
    const [text = ''] = address.split('%');
    if (isIP(text) !== 6) return !list.check(text, 'ipv4');
    if (list.check(text, 'ipv6')) return false;
    // IPv4 in other clothes: mapped, translated (RFC 6052), 6to4 and compatible addresses lead to the one inside.
    const inner = innerIpv4(text);
    return inner === undefined || !list.check(inner, 'ipv4');
  };
}

function innerIpv4(address: string): string | undefined {
  const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((each) => Number.parseInt(each, 16));
  const [head = '', tail] = plain.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  const at = (index: number): string =>
    [all[index] as number, all[index + 1] as number].flatMap((group) => [group >> 8, group & 255]).join('.');
  if (all[0] === 0x2002) return at(1);
  if (all[0] === 0x64 && all[1] === 0xff9b) return at(6);
  return all.slice(0, 5).every((group) => group === 0) && (all[5] === 0xffff || all[5] === 0) ? at(6) : undefined;
}
