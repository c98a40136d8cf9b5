import { formatFtpTime } from '../ftp/codec.ts';
import type { FtpNode } from './ftp-files.ts';

/** The forms in which the fake lists a folder. */
export type FakeListing = 'unix' | 'dos' | 'eplf' | 'vms' | 'mvs' | 'os400' | 'netware';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const HALF_YEAR_MS = 182 * 86_400_000;
const two = (value: number): string => String(value).padStart(2, '0');

/** A folder as the server of that kind prints it, CRLF behind each line. `offsetMinutes` is how far its clock is ahead of UTC. */
export function formatListing(
  dialect: FakeListing,
  entries: readonly (readonly [name: string, node: FtpNode])[],
  offsetMinutes = 0,
): string {
  const header = dialect === 'mvs' ? 'Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n' : '';
  return header + entries.map(([name, node]) => `${line(dialect, name, node, offsetMinutes)}\r\n`).join('');
}

function line(dialect: FakeListing, name: string, node: FtpNode, offsetMinutes: number): string {
  const local = new Date(node.modifiedAt.getTime() + offsetMinutes * 60_000);
  const [year, month, day] = [local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate()];
  const [hour, minute, second] = [local.getUTCHours(), local.getUTCMinutes(), local.getUTCSeconds()];
  const isDirectory = node.kind === 'directory';
  const monthName = months[month] as string;
  const recent = Math.abs(Date.now() - node.modifiedAt.getTime()) < HALF_YEAR_MS;
  const when = recent ? `${two(hour)}:${two(minute)}` : ` ${year}`;
  switch (dialect) {
    case 'unix': {
      const kind = isDirectory ? 'd' : node.kind === 'symlink' ? 'l' : '-';
      const target = node.target === undefined ? '' : ` -> ${node.target}`;
      return `${kind}${modeLetters(node.mode)}    1 ${node.owner.padEnd(8)} ${node.group.padEnd(8)} ${String(node.sizeBytes).padStart(12)} ${monthName} ${two(day)} ${when} ${name}${target}`;
    }
    case 'dos': {
      const half = hour < 12 ? 'AM' : 'PM';
      const what = isDirectory ? '      <DIR>         ' : String(node.sizeBytes).padStart(20);
      return `${two(month + 1)}-${two(day)}-${two(year % 100)}  ${two(hour % 12 === 0 ? 12 : hour % 12)}:${two(minute)}${half} ${what} ${name}`;
    }
    case 'eplf':
      return `+m${Math.floor(node.modifiedAt.getTime() / 1000)},${isDirectory ? '/' : `r,s${node.sizeBytes}`},up${node.mode.toString(8)},\t${name}`;
    case 'vms': {
      const full = isDirectory ? `${name}.DIR;1` : `${name};1`;
      const blocks = Math.ceil(node.sizeBytes / 512);
      const rest = `${blocks}/${blocks}  ${day}-${monthName.toUpperCase()}-${year} ${two(hour)}:${two(minute)}:${two(second)}  [USERS,ANN]  (RWED,RWED,R,)`;
      return full.length > 19 ? `${full}\r\n                    ${rest}` : `${full.padEnd(20)}${rest}`;
    }
    case 'mvs':
      return `SAVE00 3390   ${year}/${two(month + 1)}/${two(day)}  1    1  FB     128  6144  ${isDirectory ? 'PO' : 'PS'}    ${name}`;
    case 'os400':
      return `ANN ${String(node.sizeBytes).padStart(12)} ${two(year % 100)}/${two(month + 1)}/${two(day)} ${two(hour)}:${two(minute)}:${two(second)} ${isDirectory ? '*DIR ' : '*STMF'}      ${name}${isDirectory ? '/' : ''}`;
    case 'netware':
      return `${isDirectory ? 'd' : '-'} [RWCEAFMS] ann ${String(isDirectory ? 512 : node.sizeBytes).padStart(20)} ${monthName} ${two(day)} ${when} ${name}`;
  }
}

/** `size=…;type=…; name`. @see RFC 3659 section 7.2 */
export function formatFacts(name: string, node: FtpNode, unique: string): string {
  const type =
    node.kind === 'directory' ? 'dir' : node.kind === 'symlink' ? `OS.unix=slink:${node.target ?? ''}` : 'file';
  const size = node.kind === 'file' ? `size=${node.sizeBytes};` : '';
  return `type=${type};${size}modify=${formatFtpTime(node.modifiedAt)};unique=${unique};UNIX.mode=${node.mode.toString(8).padStart(4, '0')};UNIX.ownername=${node.owner};UNIX.groupname=${node.group}; ${name}`;
}

function modeLetters(mode: number): string {
  let text = '';
  for (let bit = 8; bit >= 0; bit--) text += (mode & (1 << bit)) === 0 ? '-' : 'rwx'.charAt(2 - (bit % 3));
  return text;
}
