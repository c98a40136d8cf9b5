// What is fuzzed. Each target: seeds, an alphabet of interesting pieces, and a run that throws when something is wrong.
import { isDeepStrictEqual } from 'node:util';
import { LimitError, PostwireError } from '../../dist/errors.js';
import { parseEpsv, parseFtpTime, parsePasv, parseQuotedPath } from '../../dist/ftp/codec.js';
import { parseListing } from '../../dist/ftp/index.js';
import { formatAddress, parseAddresses, decodeHeader, encodeHeader } from '../../dist/mime/index.js';
import { bounce, deliveryStatus, dkimSignatures, parseSync, readTnef } from '../../dist/mime/index.js';
import { DefectList } from '../../dist/mime/defect.js';
import { defaultParseLimits } from '../../dist/mime/parse-limits.js';
import { MimeReader } from '../../dist/mime/reader.js';

import { bodyDecoder, chunkedDecoder } from '../../dist/http/body-codec.js';
import { parseChallenges } from '../../dist/http/challenge.js';
import {
  encodeRequestHead,
  requestFraming,
  requestHeadDecoder,
  responseFraming,
  responseHeadDecoder,
} from '../../dist/http/codec.js';
import { parseNetrc } from '../../dist/http/netrc.js';
import { apopTimestamp, parseList, parseUidl, pop3CommandDecoder, pop3StatusDecoder } from '../../dist/pop3/codec.js';
import { partsOf } from '../../dist/imap/index.js';
import { parseResponse, responseFramer } from '../../dist/imap/codec/response.js';
import { readFetched } from '../../dist/imap/codec/fetched.js';
import { decodeUtf7, encodeUtf7 } from '../../dist/imap/codec/utf7.js';
import { uids } from '../../dist/imap/codec/sequence-set.js';
import { gopherTextDecoder, parseGopherAttributes, parseGopherMenu } from '../../dist/gopher/codec.js';
import { parseGopherUrl } from '../../dist/gopher/url.js';
import { YencDecoder, encodeYenc } from '../../dist/mime/index.js';
import { parseActive, parseActiveTimes, parseHdr, textLines } from '../../dist/nntp/codec/lists.js';
import { parseNzb } from '../../dist/nntp/codec/nzb.js';
import { OverviewFormat, OverviewReader, encodeOverviewLine } from '../../dist/nntp/codec/overview.js';
import {
  formatNntpDate,
  nntpCommandDecoder,
  nntpStatusDecoder,
  parseArticleName,
  parseGroup,
  parseNntpDate,
  parseRange,
} from '../../dist/nntp/codec/response.js';
import { Wildmat } from '../../dist/nntp/codec/wildmat.js';
import { parseNewsUrl } from '../../dist/nntp/urls.js';
import { parseEhlo, parsePath, smtpCommandDecoder } from '../../dist/smtp/codec.js';
import { proxyHeaderDecoder } from '../../dist/socket/server/proxy-header.js';
import { parseInetd } from '../../dist/socket/server/inetd.js';
import { encodeSyslog, parseSyslog, syslogFrameDecoder } from '../../dist/syslog/codec.js';
import { lengthPrefixDecoder, netstringDecoder } from '../../dist/wire/framing.js';
import { encodeTelnetData, telnetDecoder } from '../../dist/telnet/codec.js';
import { decodeComPort, encodeComPort } from '../../dist/telnet/com-port-codec.js';
import { decodeSlc, encodeSlc } from '../../dist/telnet/linemode-codec.js';
import { OptionEngine } from '../../dist/telnet/option-engine.js';
import { decodeGmcp, encodeGmcp } from '../../dist/telnet/options/gmcp.js';
import { decodeMssp, encodeMssp } from '../../dist/telnet/options/mssp.js';
import { commandLine } from '../../dist/wire/arguments.js';
import { splitAddrSpec } from '../../dist/wire/addr-spec.js';
import { ByteQueue } from '../../dist/wire/byte-queue.js';
import { DottedEncoder, dottedDecoder } from '../../dist/wire/dotted.js';
import { replyDecoder } from '../../dist/wire/reply.js';

const bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0) & 255);

function decodeAll(decode, chunks) {
  const queue = new ByteQueue();
  const events = [];
  try {
    for (const chunk of chunks) {
      queue.push(chunk);
      for (let event = decode(queue); event !== undefined; event = decode(queue)) events.push(event);
    }
  } catch (error) {
    if (!(error instanceof PostwireError)) throw error;
    events.push(`${error.code}`);
  }
  return JSON.stringify(events);
}

/** Frames come in memory of whichever kind: only their bytes count. */
const asText = (make) => () => {
  const decode = make();
  return (queue) => {
    const frame = decode(queue);
    return frame === undefined ? undefined : Buffer.from(frame).toString('latin1');
  };
};

/** The same events whole and cut at random places. */
function sameAtAnySplit(make, text, next) {
  const all = bytes(text);
  const whole = decodeAll(make(), [all.slice()]);
  const pieces = [];
  for (let at = 0; at < all.length;) {
    const length = 1 + Math.floor(next() * 8);
    pieces.push(all.slice(at, at + length));
    at += length;
  }
  const split = decodeAll(make(), pieces);
  if (whole !== split)
    throw new Error(`split input decodes differently: ${whole.slice(0, 300)} against ${split.slice(0, 300)}`);
}

/** The same bytes of a body, whole and cut at random places; how they are cut into spans does not matter. */
function sameSpans(make, text, next) {
  const all = bytes(text);
  const read = (pieces) => {
    const queue = new ByteQueue();
    const decode = make();
    let body = '';
    try {
      for (const piece of pieces) {
        queue.push(piece);
        for (let span = decode(queue); span !== undefined; span = decode(queue)) {
          body += Buffer.from(span.bytes).toString('latin1');
          // Behind the end nothing is read.
          if (span.last) return `${body} end`;
        }
      }
    } catch (error) {
      if (!(error instanceof PostwireError)) throw error;
      return `${body} ${error.code}`;
    }
    return body;
  };
  const pieces = [];
  for (let at = 0; at < all.length;) {
    const length = 1 + Math.floor(next() * 8);
    pieces.push(all.slice(at, at + length));
    at += length;
  }
  const whole = read([all.slice()]);
  const split = read(pieces);
  if (whole !== split)
    throw new Error(`split body decodes differently: ${whole.slice(0, 300)} against ${split.slice(0, 300)}`);
}

function onlyOurErrors(act) {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof PostwireError)) throw error;
    return undefined;
  }
}

/** What the reader tells of a message that comes in these chunks; bodies joined. */
function mimeEvents(chunks) {
  const events = [];
  const reader = new MimeReader(
    {
      part: ({ path, kind, offset, bodyOffset }) => events.push([path, kind, offset, bodyOffset]),
      body(body) {
        const text = Buffer.from(body).toString('latin1');
        if (typeof events.at(-1) === 'string') events.push(events.pop() + text);
        else events.push(text);
      },
      end: ({ path }, endOffset) => events.push([path, endOffset]),
    },
    defaultParseLimits,
    new DefectList().report,
  );
  try {
    for (const chunk of chunks) reader.push(chunk);
    reader.end();
  } catch (error) {
    if (!(error instanceof LimitError)) throw error;
    return error.message;
  }
  return JSON.stringify(events);
}

export const targets = {
  mime: {
    seeds: [
      'From: =?utf-8?Q?a=C3=A4?= <a@b.example>\r\nSubject: x\r\n y\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\n\r\nbody\r\n',
      'Content-Type: multipart/mixed; boundary="b"\r\n\r\npre\r\n--b\r\nContent-Type: text/html; charset=iso-2022-jp\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>=C3=A4 =\r\nx</p>\r\n--b\r\nContent-Disposition: attachment; filename*0*=utf-8\'\'a; filename*1=b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\nepi',
      'Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: in\n\nx\n--d\nContent-Type: multipart/alternative; boundary=dd\n\n--dd\n\na\n--dd--\n--d--\n',
      'Content-Type: multipart/report; boundary=r\r\n\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--r--',
      'Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\n> a \r\n>b\r\nbegin 644 a\r\n#0V%T\r\n`\r\nend\r\n',
      'Content-Type: application/ms-tnef\r\n\r\nx\x9f>"\0\0\x02\x02\x90\x06\0\x01\0\0\0a\0\0',
      '=ybegin line=128 size=3 name=x\r\nabc\r\n=yend size=3\r\nDKIM-Signature: a=b; h=c:d\r\n',
    ],
    alphabet: [
      '\r\n',
      '\n',
      '\r',
      '--b',
      '--b--',
      '--d',
      '=?utf-8?B?',
      '?=',
      ';',
      '"',
      '(',
      '<',
      '@',
      '=',
      '\0',
      '\xff',
      'Content-Type: ',
      'multipart/mixed; boundary=b',
      'base64',
      'From ',
    ],
    run(text, next) {
      const all = bytes(text);
      const whole = mimeEvents([all]);
      const pieces = [];
      for (let at = 0; at < all.length;) {
        const length = 1 + Math.floor(next() * 12);
        pieces.push(all.slice(at, at + length));
        at += length;
      }
      const split = mimeEvents(pieces);
      if (whole !== split)
        throw new Error(`split mail reads differently: ${whole.slice(0, 300)} against ${split.slice(0, 300)}`);
      let mail;
      try {
        mail = parseSync(all);
      } catch (error) {
        if (error instanceof LimitError) return;
        throw error;
      }
      mail.decodeAll();
      void [mail.received, mail.authenticationResults, mail.list, mail.priority, mail.baseSubject, mail.messages];
      mail.preview();
      mail.htmlFromText();
      mail.htmlWithCids();
      bounce(mail);
      deliveryStatus(mail);
      dkimSignatures(mail.headers);
      readTnef(all);
      if (mail.root.endOffset !== all.length) throw new Error('the message does not end at its end');
    },
  },
  replies: {
    seeds: [
      '250 OK\r\n',
      '250-mx\r\n250-SIZE 100\r\n250 AUTH PLAIN\r\n',
      '550 5.1.1 no\r\n',
      '220-a\r\n b\r\n220 c\r\n',
    ],
    alphabet: ['\r\n', '\n', '\r', '-', ' ', '250', '\0', '5.7.1 ', '\xff', 'é'],
    run(text, next) {
      sameAtAnySplit(() => replyDecoder({ enhanced: true }), text, next);
      sameAtAnySplit(() => replyDecoder({ freeForm: true }), text, next);
      onlyOurErrors(() => parseEhlo({ code: 250, lines: text.split('\n') }));
    },
  },
  http: {
    seeds: [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello',
      'HTTP/1.0 404\r\nTransfer-Encoding: chunked\r\n\r\n',
      '5;a="b"\r\nhello\r\n0\r\nA: b\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n',
      'GET /a?b HTTP/1.1\r\nHost: c\r\nContent-Length: 1, 1\r\n\r\nx',
      'Digest realm="a \\" b", qop="auth,auth-int", nonce=n, Basic realm=x, Negotiate abc==',
      'machine a login b password "c d"\ndefault login e\nmacdef f\nx\n\n',
    ],
    alphabet: [
      '\r\n',
      '\n',
      '\r',
      ':',
      ' ',
      '\t',
      ';',
      ',',
      '"',
      '\\',
      '0',
      '5',
      'ff',
      '-',
      '+',
      '=',
      '\0',
      '\xff',
      'HTTP/1.1 ',
    ],
    run(text, next) {
      sameAtAnySplit(() => responseHeadDecoder(), text, next);
      sameAtAnySplit(() => requestHeadDecoder(), text, next);
      sameSpans(() => chunkedDecoder(), text, next);
      sameSpans(() => bodyDecoder({ kind: 'length', byteCount: 20 }), text, next);
      const queue = new ByteQueue();
      queue.push(bytes(text));
      const head = onlyOurErrors(() => requestHeadDecoder()(queue));
      if (head !== undefined) {
        onlyOurErrors(() => requestFraming(head));
        const again = new ByteQueue();
        again.push(encodeRequestHead(head).bytes);
        const back = requestHeadDecoder()(again);
        if (JSON.stringify([...back.headers]) !== JSON.stringify([...head.headers])) throw new Error('not read back');
      }
      const answer = new ByteQueue();
      answer.push(bytes(text));
      const status = onlyOurErrors(() => responseHeadDecoder()(answer));
      if (status !== undefined) onlyOurErrors(() => responseFraming('GET', status));
      parseChallenges([text]);
      parseNetrc(text);
    },
  },
  pop3: {
    seeds: ['+OK 2 messages\r\n', '-ERR [IN-USE] locked\r\n', '+ AAAA\r\n', '1 120\r\n2 99999999999\r\n', 'RETR 1\r\n'],
    alphabet: ['\r\n', '\n', '\r', '+', '-ERR', '[', ']', ' ', '\t', '0', '4294967296', '\0', '\xff'],
    run(text, next) {
      sameAtAnySplit(() => pop3StatusDecoder(), text, next);
      sameAtAnySplit(() => pop3CommandDecoder(100), text, next);
      for (const [number, size] of parseList(bytes(text)).entries)
        if (!(number >= 1 && number <= 0xffff_ffff && size >= 0)) throw new Error(`took ${number} ${size}`);
      for (const uid of parseUidl(bytes(text)).entries.values())
        if (!/^[!-~]{1,70}$/.test(uid)) throw new Error(`took ${JSON.stringify(uid)}`);
      const stamp = apopTimestamp(text);
      if (stamp !== undefined && !/^<[!-~]+@[!-~]+>$/.test(stamp)) throw new Error(`took ${JSON.stringify(stamp)}`);
    },
  },
  imap: {
    seeds: [
      '* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {3}\r\nabc RFC822.SIZE 3)\r\nA1 OK done\r\n',
      '* 2 FETCH (ENVELOPE ("d" "=?utf-8?Q?=C3=A9?=" (("n" NIL "m" "h")) NIL NIL ((NIL NIL "g" NIL)("a" NIL "b" "c")(NIL NIL NIL NIL)) NIL NIL NIL "<i>"))\r\n',
      '* 3 FETCH (BODYSTRUCTURE (("text" "plain" ("a" "b") NIL NIL "7bit" 1 1)("message" "rfc822" NIL NIL NIL "7bit" 1 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("a" "b" NIL NIL NIL "7bit" 1) 1) "mixed"))\r\n',
      '* LIST (\\Noselect) "/" "&AOk-"\r\n* STATUS {1}\r\nx (MESSAGES 1)\r\n+ go\r\n',
      '* ESEARCH (TAG "A1") UID ALL 1:3 COUNT 3\r\n* OK [COPYUID 1 1:2 3:4] x\r\n* BYE x\r\n',
    ],
    alphabet: [
      '(',
      ')',
      '"',
      '\\',
      '{1}\r\n',
      '{3+}\r\n',
      '~{2}\r\n',
      '{9999999999}',
      'NIL',
      ' ',
      '\r\n',
      '*',
      '[',
      ']',
      '<0>',
      '\0',
      'é',
      '1',
      '&',
      '-',
    ],
    run(text, next) {
      // The answers to what was framed: only our errors, and the same however the bytes come.
      const decoder = () => {
        const framer = responseFramer({ lineBytes: 4096, literalBytes: 4096, totalBytes: 8192 });
        return (queue) => {
          for (;;) {
            const event = framer.decode(queue);
            if (event === undefined) return undefined;
            if (event.kind !== 'frame') continue;
            const response = parseResponse(event);
            if (response.kind !== 'data')
              return response.kind === 'status' ? { ...response, code: response.code?.name } : response;
            const { name, number, reader } = response;
            return { name, number, value: onlyOurErrors(() => readData(name, number, reader)) };
          }
        };
      };
      sameAtAnySplit(decoder, text, next);
      const name = decodeUtf7(text);
      if (/^[\0-\xff]*$/.test(text) && encodeUtf7(name) !== text)
        throw new Error(`the name ${JSON.stringify(text)} became ${JSON.stringify(encodeUtf7(name))}`);
      onlyOurErrors(() => uids(text));
    },
  },
  commands: {
    seeds: ['MAIL FROM:<a@b.example> SIZE=10\r\n', 'RCPT TO:<"a b"@c.example>\r\n', 'EHLO x\r\n', 'BDAT 5 LAST\r\n'],
    alphabet: ['<', '>', '@', '"', '\\', ' ', '=', ':', '\r\n', '\0', '[', ']'],
    run(text, next) {
      sameAtAnySplit(() => smtpCommandDecoder(1000), text, next);
      for (const keyword of ['FROM', 'TO']) {
        const path = parsePath(keyword, text.replace(/^\w+ /, '').trimEnd());
        if (path !== undefined && /[\r\n\0<>]/.test(path.address.replace(/"(?:[^"\\]|\\.)*"/, '')))
          throw new Error(`took ${JSON.stringify(path.address)}`);
      }
    },
  },
  dotted: {
    seeds: ['hello\r\n.\r\n', '..\r\n.\r\n', 'a\n.\nb\r.\r\r\n.\r\n'],
    alphabet: ['\r\n', '.', '\r', '\n', '\r\n.\r\n', 'a'],
    run(text) {
      const encoder = new DottedEncoder();
      const half = Math.floor(text.length / 2);
      const wire = Buffer.concat([
        ...encoder.push(bytes(text.slice(0, half))),
        ...encoder.push(bytes(text.slice(half))),
        encoder.end(),
      ]);
      const queue = new ByteQueue();
      queue.push(wire);
      const decode = dottedDecoder();
      let body = '';
      for (let span = decode(queue); span !== undefined; span = decode(queue)) {
        body += Buffer.from(span.bytes).toString('latin1');
        if (span.last) break;
      }
      const wanted = Buffer.from(bytes(text))
        .toString('latin1')
        .replace(/\r\n|\r|\n/g, '\r\n');
      if (queue.length !== 0 || body !== (wanted === '' || wanted.endsWith('\r\n') ? wanted : `${wanted}\r\n`))
        throw new Error('the body changed');
    },
  },
  addresses: {
    seeds: [
      'Ann <a@b.example>, "Doe, J." <j@c.example>',
      'team: a@b.example, c@d.example;',
      '(c (n)) a@b.example (d)',
      '<@r.example:a@b.example>',
      '"a\\"b"@c.example',
      '=?utf-8?B?eA==?= <a@[IPv6:::1]>',
    ],
    alphabet: ['<', '>', '(', ')', '"', '\\', ',', ';', ':', '@', '[', ']', '=?utf-8?Q?', '?=', ' ', '\t', 'ü', '.'],
    run(text) {
      for (const entry of parseAddresses(text).flatMap((each) => each.group ?? [each])) {
        if (/[<>]/.test(entry.address.replace(/^"(?:[^"\\]|\\.)*"/, '')))
          throw new Error(`address ${JSON.stringify(entry.address)}`);
      }
      const strict = onlyOurErrors(() => parseAddresses(text, { strict: true }));
      for (const entry of strict ?? []) {
        if (entry.group !== undefined || /[\r\n\0]/.test(entry.name)) continue;
        const again = onlyOurErrors(() => parseAddresses(formatAddress(entry), { strict: true }));
        const spec = splitAddrSpec(entry.address);
        if (again?.length !== 1 || again[0].address !== `${spec.local}@${spec.domain}`)
          throw new Error(`${JSON.stringify(entry)} is read back as ${JSON.stringify(again)}`);
      }
    },
  },
  headers: {
    seeds: ['=?utf-8?Q?a=C3=BC?= =?utf-8?B?w7w=?=', 'plain', '=?iso-8859-1*de?q?=FC?=', '=?x?B?', '数据'],
    alphabet: ['=?', '?=', '?', '=', 'utf-8', 'B', 'Q', '_', ' ', '\r\n ', 'ü', '\ud800', '😀'],
    run(text) {
      decodeHeader(text);
      const encoded = encodeHeader(text.replace(/[\r\n]/g, ' '));
      if (/[^\x20-\x7e]/.test(encoded)) throw new Error(`encoded to ${JSON.stringify(encoded)}`);
      const again = decodeHeader(encoded);
      if (again !== text.replace(/[\r\n]/g, ' ').toWellFormed())
        throw new Error(`${JSON.stringify(text)} came back as ${JSON.stringify(again)}`);
    },
  },
  ftp: {
    seeds: [
      '-rw-r--r--    1 ann      users       1234 Nov 21 14:54 a name\r\n',
      '02-05-20  01:07PM       <DIR>          folder\r\n',
      'README.TXT;4  18/18  10-APR-2000 10:36:01 [A,B] (RWED,,,)\r\n',
      'type=file;size=1;modify=19980615100045; x\r\n',
      '+i8.4,m825718503,r,s280,\tx\r\n',
      'Entering Passive Mode (127,0,0,1,4,1)',
      '"/a ""b"" c" created',
      '19980615100045.014',
    ],
    alphabet: [
      ' ',
      '\t',
      '\r\n',
      '"',
      '(',
      ')',
      ',',
      '|',
      ';',
      '=',
      '1',
      '99',
      'Jan',
      '<DIR>',
      'total',
      ' -> ',
      '\0',
      '-',
      ':',
      '/',
    ],
    run(text) {
      for (const dialect of [undefined, 'mlsd', 'vms']) {
        const listing = onlyOurErrors(() => parseListing(text, { dialect }));
        for (const { name, sizeBytes } of listing ?? []) {
          if (name === '' || name === '.' || name === '..' || /[\r\n\0]/.test(name))
            throw new Error(`name ${JSON.stringify(name)}`);
          if (sizeBytes !== undefined && !(sizeBytes >= 0)) throw new Error(`size ${sizeBytes}`);
        }
      }
      const address = onlyOurErrors(() => parsePasv(text));
      if (address !== undefined && !(address.port > 0 && address.port < 65_536))
        throw new Error(`port ${address.port}`);
      onlyOurErrors(() => parseEpsv(text));
      onlyOurErrors(() => parseQuotedPath(text));
      parseFtpTime(text);
    },
  },
  telnet: {
    seeds: [
      'login: \xff\xfb\x01\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0',
      'a\r\0b\r\nc\xff\xffd',
      '\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0> \xff\xf9',
      '\x01\0\0\x25\x80',
      '\x66\x08',
      'Char.Vitals {"hp":1}',
      '\x01NAME\x02one\x02two',
    ],
    alphabet: [
      '\xff',
      '\xfa',
      '\xf0',
      '\xfb',
      '\xfc',
      '\xfd',
      '\xfe',
      '\xf1',
      '\0',
      '\r',
      '\n',
      '\x01',
      '\x18',
      '\xff\xfa',
      '\xff\xf0',
    ],
    run(text, next) {
      for (const binary of [false, true]) {
        const make = () => telnetDecoder({ isBinary: () => binary });
        // Data may come in other spans when it comes in other pieces: what they hold together is what counts.
        const joined = () => {
          const decode = make();
          let data = '';
          return (queue) => {
            for (let event = decode(queue); event !== undefined; event = decode(queue)) {
              if (event.kind === 'data') data += Buffer.from(event.bytes).toString('latin1');
              else
                return [
                  data,
                  event.kind,
                  event.verb ?? event.code,
                  event.option,
                  Buffer.from(event.bytes ?? []).toString('hex'),
                ];
            }
            return undefined;
          };
        };
        sameAtAnySplit(joined, text, next);
        const encoded = encodeTelnetData(bytes(text), binary);
        const queue = new ByteQueue();
        queue.push(encoded);
        const decode = make();
        const read = [];
        for (let event = decode(queue); event !== undefined; event = decode(queue)) {
          if (event.kind !== 'data') throw new Error(`data became ${event.kind}`);
          read.push(event.bytes);
        }
        if (!Buffer.concat(read).equals(Buffer.from(bytes(text)))) throw new Error('data did not come back');
      }
      const content = bytes(text);
      for (const role of ['client', 'server']) {
        const message = decodeComPort(content, role);
        if (message !== undefined && !isDeepStrictEqual(decodeComPort(encodeComPort(message, role), role), message))
          throw new Error('a COM-PORT message did not come back');
      }
      const triplets = decodeSlc(content);
      if (!isDeepStrictEqual(decodeSlc(encodeSlc(triplets).subarray(1)), triplets))
        throw new Error('SLC did not come back');
      const gmcp = decodeGmcp(content);
      if (gmcp !== undefined && decodeGmcp(encodeGmcp(gmcp.name, gmcp.data))?.name !== gmcp.name)
        throw new Error('a GMCP message did not come back');
      const status = [...decodeMssp(content)];
      if (!isDeepStrictEqual([...decodeMssp(encodeMssp(status))], status)) throw new Error('MSSP did not come back');
      let sent = 0;
      const engine = new OptionEngine({ send: () => sent++, accepts: (_side, option) => option < 100 });
      const decode = telnetDecoder();
      const queue = new ByteQueue();
      queue.push(bytes(text));
      onlyOurErrors(() => {
        for (let event = decode(queue); event !== undefined; event = decode(queue))
          if (event.kind === 'negotiate') engine.receive(event.verb, event.option);
      });
      if (!engine.settled) throw new Error('answers are outstanding that nobody asked for');
      if (sent > text.length) throw new Error('more answers than requests');
    },
  },
  nntp: {
    seeds: [
      '200 ready\r\n211 1234 3000234 3002322 misc.test\r\n',
      '220 5 <a@b>\r\nSubject: x\r\n\r\n..body\r\n.\r\n',
      '5\tsubject\tfrom\tMon, 1 Jan 2024 10:00:00 +0000\t<a@b>\t<c@d> <e@f>\t120\t3\tXref: h g:5\r\n',
      'Subject:\r\nFrom:\r\nDate:\r\nMessage-ID:\r\nReferences:\r\nBytes:\r\nLines:\r\nXref:full\r\n',
      'misc.test 3002322 3000234 y\r\n',
      'comp.*,!comp.lang.*,[a-z]x',
      'news:a%40b@c.example',
      'nntps://u:p@h/misc.test/5-9',
      '<nzb><file subject="s" date="1"><segments><segment number="1" bytes="5">a@b</segment></segments></file></nzb>',
      '20240229 235959',
    ],
    alphabet: [
      '\r\n',
      '.',
      '..',
      '\t',
      '<',
      '>',
      '@',
      '*',
      '!',
      '[',
      ']',
      '\\',
      ',',
      '-',
      '0',
      '99999999999',
      '%',
      ':',
      '&',
      '\0',
    ],
    run(text, next) {
      sameAtAnySplit(nntpStatusDecoder, text, next);
      sameAtAnySplit(() => nntpCommandDecoder(512), text, next);
      sameSpans(dottedDecoder, text, next);
      const all = bytes(text);
      const format = OverviewFormat.parse(all);
      const read = (pieces) => {
        const reader = new OverviewReader(format);
        for (const piece of pieces) reader.push(piece);
        return JSON.stringify(reader.end());
      };
      const cut = Math.floor(next() * all.length);
      if (read([all]) !== read([all.slice(0, cut), all.slice(cut)]))
        throw new Error('a split overview reads differently');
      const line = encodeOverviewLine(5, { subject: text, xref: text }, format);
      if (
        Buffer.from(line)
          .toString('latin1')
          .split(/[\r\n\0]/).length !== 1
      )
        throw new Error('an overview line was split');
      for (const parse of [parseActive, parseActiveTimes, parseHdr, textLines]) parse(all);
      for (const parse of [(each) => parseGroup(each, 'g'), parseArticleName, parseRange, parseNewsUrl, parseNzb])
        onlyOurErrors(() => parse(text));
      const date = parseNntpDate(text);
      if (date !== undefined) formatNntpDate(date);
      onlyOurErrors(() => new Wildmat(text).matches(text));
    },
  },
  yenc: {
    seeds: [
      '=ybegin line=128 size=3 name=x\r\nabc\r\n=yend size=3 crc32=352441c2\r\n',
      '=ybegin part=1 total=2 line=128 size=6 name=x y\r\n=ypart begin=1 end=3\r\nabc\r\n=yend size=3 part=1 pcrc32=00000000\r\n',
      'before\r\n=ybegin line=4 size=9\r\na=}b=\r\n=yfoo\r\n==\r\n',
    ],
    alphabet: [
      '=',
      '=y',
      '\r\n=y',
      '=yend',
      '=ybegin ',
      '=ypart ',
      'size=',
      '\r',
      '\n',
      '\r\n',
      '\0',
      'y',
      '==',
      '=}',
      '9007199254740993',
    ],
    run(text, next) {
      const all = bytes(text);
      const read = (pieces) => {
        const decoder = new YencDecoder();
        const body = Buffer.concat(pieces.flatMap((piece) => decoder.push(piece)));
        return JSON.stringify([body.toString('latin1'), decoder.end()]);
      };
      const pieces = [];
      for (let at = 0; at < all.length;) {
        const length = 1 + Math.floor(next() * 8);
        pieces.push(all.slice(at, at + length));
        at += length;
      }
      const [whole, split] = [read([all]), read(pieces)];
      if (whole !== split) throw new Error(`split yEnc decodes differently: ${whole} against ${split}`);
      const encoded = encodeYenc(all, { name: 'x', lineLength: 1 + Math.floor(next() * 200) });
      const decoder = new YencDecoder();
      const back = Buffer.concat(decoder.push(encoded));
      if (!decoder.end().ok || !back.equals(Buffer.from(all))) throw new Error('the bytes did not come back');
    },
  },
  gopher: {
    seeds: [
      '0Title\t/selector\thost.example\t70\r\niInfo\t\terror.host\t1\r\n.\r\n',
      '+INFO: 0x\t/x\th\t70\t+\r\n+ADMIN:\r\n Admin: a <a@b>\r\n+VIEWS:\r\n text/plain En_US: <1k>\r\n',
      'gopher://host:7070/7/find%09words%09+',
      'text\r\n..dots\r\n.',
    ],
    alphabet: ['\r\n', '\n', '.', '..', '\t', '+', '70', '99999', ':', '%09', '%0d', '<', '\0', 'URL:'],
    run(text, next) {
      const all = bytes(text);
      sameSpans(() => gopherTextDecoder(() => {}), text, next);
      onlyOurErrors(() => parseGopherMenu(all));
      onlyOurErrors(() => parseGopherAttributes(all));
      onlyOurErrors(() => parseGopherUrl(text));
    },
  },
  frames: {
    seeds: [
      '5:hello,0:,',
      '\0\x05hello',
      'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
      'PROXY UNKNOWN\r\n',
      '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0cabcdefghijkl',
      '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0',
    ],
    alphabet: [':', ',', '\0', '\xff', '9', 'PROXY ', 'TCP6 ', '::1 ', '\r\n', '\x21', '\x31', '65536'],
    run(text, next) {
      for (const make of [
        () => netstringDecoder(1000),
        () => lengthPrefixDecoder({ bytes: 2 }, 1000),
        () => lengthPrefixDecoder({ bytes: 4, littleEndian: true }, 1000),
      ])
        sameAtAnySplit(asText(make), text, next);
      // A second one behind the first is the protocol's own matter.
      sameAtAnySplit(
        () => {
          let done = false;
          return (queue) => {
            const header = done ? undefined : proxyHeaderDecoder(queue);
            done ||= header !== undefined;
            return header;
          };
        },
        text,
        next,
      );
      onlyOurErrors(() => parseInetd(text));
    },
  },
  syslog: {
    seeds: [
      '<34>1 2026-10-11T22:14:15.003Z host su 12 ID47 [a@1 b="c\\"d"] text',
      '<34>Oct 11 22:14:15 host su[12]: text',
      '12 <34>1 - - - -<34>x\n<1>y\0',
      '<191>2026-10-11T22:14:15+02:00 host su: text',
    ],
    alphabet: ['<', '>', '1 ', ' - ', '[', ']', '"', '\\', '=', '@', ':', '\n', '\0', '\xef\xbb\xbf', 'Oct 11 ', '9'],
    run(text, next) {
      sameAtAnySplit(
        asText(() => syslogFrameDecoder(1000)),
        text,
        next,
      );
      const read = parseSyslog(bytes(text));
      if (read.format === 'rfc5424') {
        // What others put into a field we may not.
        const again = onlyOurErrors(() => parseSyslog(encodeSyslog(read)));
        if (again === undefined) return;
        if (again.message !== read.message || again.format !== 'rfc5424')
          throw new Error(`${JSON.stringify(read)} is read back as ${JSON.stringify(again)}`);
      }
    },
  },
  arguments: {
    seeds: ['INBOX', 'a b', 'user@example.com', '"quoted"'],
    alphabet: ['\r', '\n', '\0', '\r\n', ' ', '"', '\\', '{5}', '\u2028', '\u0085'],
    run(text) {
      const line = onlyOurErrors(() => commandLine(['VERB', text]));
      if (
        line !== undefined &&
        Buffer.from(line.bytes)
          .toString('latin1')
          .split(/[\r\n\0]/).length !== 3
      )
        throw new Error('a second line');
    },
  },
};

/** A response's data, read to its end. */
function readData(name, number, reader) {
  if (name === 'FETCH') {
    const message = readFetched(number ?? 0, reader);
    for (const part of message.bodyStructure ? partsOf(message.bodyStructure) : [])
      if (part.parts === undefined) throw new Error('no parts');
    return [
      message.uid,
      message.flags,
      message.envelope?.toJSON(),
      message.sections.map(({ item, origin, bytes: own }) => [item, origin, own?.length]),
    ];
  }
  const values = [];
  for (reader.spaces(); !reader.ended; reader.spaces()) values.push(plain(reader.value()));
  return values;
}

const plain = (value) =>
  value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : Array.isArray(value) ? value.map(plain) : value;
