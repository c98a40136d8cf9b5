import { describe, expect, test } from 'vitest';
import { LimitError } from '../../src/errors.ts';
import { type FtpEntry, type ListingDialect, parseListing } from '../../src/ftp/index.ts';
import { parseMlstLine } from '../../src/ftp/listing/mlsd.ts';
import { formatListing } from '../../src/testing/ftp-listing.ts';
import { FtpFiles } from '../../src/testing/index.ts';

const now = Date.UTC(2026, 10, 21, 15);
type Row = [line: string, name: string, type: FtpEntry['type'], size: number | undefined, time: string | undefined];

const rows: Record<Exclude<ListingDialect, 'mlsd'>, Row[]> = {
  unix: [
    ['-rw-r--r--    1 ann      users       1234 Nov 21 14:54 a name', 'a name', 'file', 1234, '2026-11-21T14:54'],
    ['-rw-r--r--    1 ann      users       1234 Nov 23 14:54 x', 'x', 'file', 1234, '2025-11-23T14:54'],
    ['drwxr-xr-x    2 0        0           4096 Feb 29  2024 folder', 'folder', 'directory', 4096, '2024-02-29T00:00'],
    [
      'lrwxrwxrwx    1 ann      users          5 Jan  1  2019 link -> to there',
      'link',
      'symlink',
      5,
      '2019-01-01T00:00',
    ],
    [
      '-rw-r--r--+   1 ann      users       1234 Jan  1  2019   two spaces',
      '  two spaces',
      'file',
      1234,
      '2019-01-01T00:00',
    ],
    ['-rw-r--r--   1 ann 1234 Jan  1  2019 no group', 'no group', 'file', 1234, '2019-01-01T00:00'],
    ['-rw-r--r-- ann users 1234 Jan  1  2019 no count', 'no count', 'file', 1234, '2019-01-01T00:00'],
    ['-rw-r--r--   1 ann users 1234 2019-01-02 03:04 iso', 'iso', 'file', 1234, '2019-01-02T03:04'],
    [
      '-rw-r--r--   1 ann users 1234 2019-01-02 03:04:05.000000000 +0200 full iso',
      'full iso',
      'file',
      1234,
      '2019-01-02T01:04:05',
    ],
    ['-rw-r--r--   1 ann users 1234 1 Jan 2019 day first', 'day first', 'file', 1234, '2019-01-01T00:00'],
    [
      '-rw-r--r--    1 ann      users       1234 Jan  1  2019 Jan 2 2019 x',
      'Jan 2 2019 x',
      'file',
      1234,
      '2019-01-01T00:00',
    ],
    ['crw-rw-rw-    1 root     root      1,   3 Jan  1  2019 null', 'null', 'other', 3, '2019-01-01T00:00'],
    ['-rw-r--r--    1 ann      users -1 Jan 99 99:99 bad numbers', 'bad numbers', 'file', undefined, undefined],
    [
      '-rw-r--r--    1 ann      users 1000000000000000000000000000000 Jan  1  2019 huge',
      'huge',
      'file',
      undefined,
      '2019-01-01T00:00',
    ],
  ],
  dos: [
    ['02-05-20  01:07PM       <DIR>          a folder', 'a folder', 'directory', undefined, '2020-02-05T13:07'],
    ['02-05-2020  12:07AM             1,234 a file.txt', 'a file.txt', 'file', 1234, '2020-02-05T00:07'],
    ['02-05-70  23:07             12 old', 'old', 'file', 12, '1970-02-05T23:07'],
  ],
  eplf: [
    ['+i8388621.48594,m825718503,r,s280,up644,\tdjb.html', 'djb.html', 'file', 280, '1996-03-01T22:15:03'],
    ['+i8388621.50690,m824255907,/,\t514 a', '514 a', 'directory', undefined, '1996-02-13T23:58:27'],
  ],
  vms: [
    [
      'README.TXT;4      18/18  10-APR-2000 10:36:01 [ANN,USERS] (RWED,RWED,RE,)',
      'README.TXT',
      'file',
      18 * 512,
      '2000-04-10T10:36:01',
    ],
    [
      'FOLDER.DIR;1      1  29-JAN-1996 03:33  [ANN] (RWE,RWE,RE,)',
      'FOLDER',
      'directory',
      undefined,
      '1996-01-29T03:33',
    ],
  ],
  mvs: [
    [
      'SAVE00 3390   2004/06/23  1    1  FB     128  6144  PS    INCOMING.RPTBM023.D061704',
      'INCOMING.RPTBM023.D061704',
      'file',
      undefined,
      '2004-06-23T00:00',
    ],
    ['SAVE00 3390   **NONE**    1    1  FB     128  6144  PO    A.LIB', 'A.LIB', 'directory', undefined, undefined],
    [
      ' TBSHELF   01.03 2002/09/12 2002/10/11 09:37    11    11     0 KIL001',
      'TBSHELF',
      'file',
      undefined,
      '2002-10-11T09:37',
    ],
  ],
  os400: [
    [
      'QSYS        36864 04/12/14 14:19:31 *FILE      QCLSRC.FILE',
      'QCLSRC.FILE',
      'directory',
      undefined,
      '2004-12-14T14:19:31',
    ],
    [
      'QSYSOPR      4019 04/03/18 18:58:16 *STMF      some notes.txt',
      'some notes.txt',
      'file',
      4019,
      '2004-03-18T18:58:16',
    ],
    ['QSYS *MEM QCLSRC.FILE/A.MBR', 'A.MBR', 'file', undefined, undefined],
  ],
  netware: [
    [
      'd [R----F--] supervisor            512       Jan 16 18:53    login',
      'login',
      'directory',
      undefined,
      '2026-01-16T18:53',
    ],
    [
      '- [R----F--] rhesus             214059       Oct 20  2003    cx 2.exe',
      'cx 2.exe',
      'file',
      214_059,
      '2003-10-20T00:00',
    ],
  ],
  os2: [
    ['     0           DIR   02-07-96   10:55  PSFONTS', 'PSFONTS', 'directory', undefined, '1996-02-07T10:55'],
    [' 36611      A    04-23-103   10:57  OS2UTIL.EXE', 'OS2UTIL.EXE', 'file', 36_611, '2003-04-23T10:57'],
  ],
};

describe.each(Object.entries(rows))('%s', (dialect, cases) => {
  test.each(cases)('%s', (line, name, type, sizeBytes, time) => {
    const listing = parseListing(`${line}\r\n`, { now });
    expect(listing).toMatchObject({ length: 1, skipped: 0, dialect });
    expect(listing[0]).toMatchObject({ name, type, sizeBytes, raw: line });
    const shown = listing[0]?.modifiedAt?.toISOString();
    expect(time === undefined ? shown : shown?.startsWith(time)).toBe(time === undefined ? undefined : true);
  });
});

test('facts: names with spaces and equals signs, links, the folder itself left out', () => {
  const text = [
    'type=cdir;modify=20200101000000; /here',
    'Type=file;Size=25730;Modify=19940728095854.123;UNIX.mode=0644;UNIX.owner=7; cap=60; x',
    'type=OS.unix=slink:/where; link',
    'size=-1;modify=99999999999999;type=dir; folder',
    ' bare',
    'type=pdir; ..',
  ].join('\r\n');
  const listing = parseListing(text, { dialect: 'mlsd' });
  expect(listing.map(({ name, type, sizeBytes, linkTarget }) => [name, type, sizeBytes, linkTarget])).toEqual([
    ['cap=60; x', 'file', 25_730, undefined],
    ['link', 'symlink', undefined, '/where'],
    ['folder', 'directory', undefined, undefined],
    ['bare', 'other', undefined, undefined],
  ]);
  expect(listing[0]).toMatchObject({ mode: 0o644, owner: '7', modifiedStepMs: 1 });
  expect(listing[0]?.modifiedAt?.toISOString()).toBe('1994-07-28T09:58:54.123Z');
  expect(listing[2]?.modifiedAt).toBeUndefined();
  expect(parseMlstLine(' type=dir; /a b')).toMatchObject({ name: '/a b', type: 'directory' });
});

test('permission bits, owners, and totals', () => {
  const [first, second] = parseListing(
    'total 12\r\n-rwsr-x--T 1 ann users 1 Jan  1  2019 x\r\nd--------- 1 0 0 1 Jan  1  2019 y\r\n',
  );
  expect(first).toMatchObject({ mode: 0o5750, owner: 'ann', group: 'users' });
  expect(second).toMatchObject({ mode: 0 });
});

test('the server’s zone', () => {
  const line = '-rw-r--r-- 1 ann users 1 2024-07-01 12:00 x';
  expect(parseListing(line, { timeZone: 'Europe/Berlin' })[0]?.modifiedAt?.toISOString()).toBe(
    '2024-07-01T10:00:00.000Z',
  );
});

test('VMS: a long name has a line of its own; z/OS: members without statistics', () => {
  const vms =
    'Directory ANN:[000000]\r\n\r\nA_VERY_LONG_NAME_INDEED.TXT;12\r\n                      2/8  29-JAN-1996 03:33:12  [A,B]  (RWED,,,)\r\n\r\nTotal of 1 file, 2/8 blocks\r\n';
  expect(parseListing(vms)).toMatchObject({
    length: 1,
    skipped: 0,
    0: { name: 'A_VERY_LONG_NAME_INDEED.TXT', sizeBytes: 1024 },
  });
  const mvs =
    ' Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n TBSHELF   01.03 2002/09/12 2002/10/11 09:37    11    11     0 KIL001\r\n BARE\r\n';
  expect(parseListing(mvs).map(({ name }) => name)).toEqual(['TBSHELF', 'BARE']);
});

test.each(['unix', 'dos', 'eplf', 'vms', 'mvs', 'os400', 'netware'] as const)(
  'what the fake lists as %s is read',
  (dialect) => {
    const files = new FtpFiles();
    const when = new Date('2020-02-29T12:34:00Z');
    files.write('/FILE.TXT', 'x'.repeat(512), when);
    files.mkdir('/FOLDER', when);
    const names = files.names('/').map((name) => [name, files.get(`/${name}`)] as const);
    const listing = parseListing(formatListing(dialect, names as never, 120), { timeZone: '+02:00' });
    expect(listing).toMatchObject({ skipped: 0, dialect });
    expect(listing.map(({ name, type }) => [name, type])).toEqual([
      ['FILE.TXT', 'file'],
      ['FOLDER', 'directory'],
    ]);
    expect(Math.abs((listing[0]?.modifiedAt?.getTime() ?? 0) - when.getTime())).toBeLessThan(86_400_000);
  },
);

test('FT-08: garbage is counted, a flood is capped, and no line costs more than its length', () => {
  expect(parseListing('hello\r\n\r\nwhat is this\r\n')).toMatchObject({ length: 0, skipped: 2, dialect: undefined });
  expect(parseListing('total 0\r\n')).toMatchObject({ length: 0, skipped: 0 });
  const line = '-rw-r--r-- 1 a b 1 Jan  1  2019 x\n';
  expect(() => parseListing(line.repeat(1001), { maxEntries: 1000 })).toThrow(LimitError);
  const seconds = (text: string): number => {
    const started = performance.now();
    parseListing(text);
    return (performance.now() - started) / 1000;
  };
  // Each once was a way to make a pattern try everything: ten megabytes in one line, without an end.
  for (const piece of [' ', '-', '1 ', 'a;', '0', '\t', '-rw-r--r-- 1 ', '[', '02-05-20  ', '+m', '=;', '(R,'])
    expect(seconds(piece.repeat(10_000_000 / piece.length)), JSON.stringify(piece)).toBeLessThan(5);
});

test('lines that are alike are read as each alone', () => {
  const lines = [
    '-rw-r--r--    1 0        0               0 Nov 21 14:54 a',
    '-rw-r--r--    1 0        0             120 Nov 21 14:54 b b',
    '-rw-r--r--    1 0        0             1e3 Nov 21 14:54 no size',
    '-rw-r--r--    1 0        0               7 Nov 21 14:55 c',
    '-rw-r--r--    1 0        0               7  Nov 21 14:55 d',
    '-rw-r--r--    1 0        0               8  Nov 21 14:55 e',
    '-rw-r--r--    1 0        0               7 Nov 21 14:55   spaces',
    '-rw-r--r--    1 0        0               7 2019-01-02 03:04 iso',
    '-rw-r--r--    1 0        0               7 Nov 21 14:55 f',
    'drwxr-xr-x    1 0        0               7 Nov 21 14:55 .',
    'drwxr-xr-x    1 0        0               7 Nov 21  2019 g',
    'drwxr-xr-x    1 0        0      1234567890 Nov 21  2019 h',
    'drwxr-xr-x    1 0        0               7 Nov 21  2019 ..',
  ];
  const alone = lines.flatMap((line) => [...parseListing(line, { now })]);
  expect([...parseListing(lines.join('\r\n'), { now })]).toEqual(alone);
  expect(alone.map(({ name }) => name)).toEqual([
    'a',
    'b b',
    'no size',
    'c',
    'd',
    'e',
    '  spaces',
    'iso',
    'f',
    'g',
    'h',
  ]);
});
