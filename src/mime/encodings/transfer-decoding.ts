import { concatBytes } from '../../wire/bytes.ts';
import { Base64StreamDecoder, type Complain, decodeBase64 } from './base64-decode.ts';
import { QuotedPrintableDecoder, decodeQuotedPrintable } from './quoted-printable-decode.ts';
import { decodeUuencode } from './uuencode.ts';
import { decodeYenc } from './yenc.ts';

/** Decodes a body in pieces. */
export interface BodyDecoder {
  push(bytes: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

/** Decodes a whole body by its Content-Transfer-Encoding in lower case. An unknown one leaves it as it is: RFC 2045 section 6.4. */
export function decodeTransfer(encoding: string, bytes: Uint8Array, complain?: Complain): Uint8Array {
  switch (encoding) {
    case 'base64':
      return decodeBase64(bytes, complain);
    case 'quoted-printable':
      return decodeQuotedPrintable(bytes, complain);
    case '7bit':
    case '8bit':
    case 'binary':
    case '':
      return bytes;
    case 'x-uuencode':
    case 'uuencode':
    case 'x-uue':
    case 'uue':
      return decodeUuencode(bytes, complain).bytes;
    case 'x-yenc':
    case 'yenc':
      return decodeYenc(bytes, complain).bytes;
    default:
      complain?.('unknown-transfer-encoding');
      return bytes;
  }
}

/** As `decodeTransfer`, in pieces. uuencode and yEnc are collected: their ends are checked. */
export function transferDecoder(encoding: string, complain?: Complain): BodyDecoder {
  switch (encoding) {
    case 'base64':
      return new Base64StreamDecoder(complain);
    case 'quoted-printable':
      return new QuotedPrintableDecoder(complain);
    case 'x-uuencode':
    case 'uuencode':
    case 'x-uue':
    case 'uue':
    case 'x-yenc':
    case 'yenc': {
      const chunks: Uint8Array[] = [];
      return {
        push(bytes) {
          chunks.push(bytes.slice());
          return bytes.subarray(0, 0);
        },
        end: () => decodeTransfer(encoding, concatBytes(chunks), complain),
      };
    }
    default:
      decodeTransfer(encoding, new Uint8Array(0), complain);
      return { push: (bytes) => bytes, end: () => new Uint8Array(0) };
  }
}
