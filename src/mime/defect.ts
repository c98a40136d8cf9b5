const rules = {
  'byte-order-mark': '5322 2.1',
  'leading-blank-line': '5322 2.1',
  'bare-cr-in-header': '5322 2.2',
  'header-without-colon': '5322 2.2',
  'header-starts-with-space': '5322 2.2.3',
  'missing-header-end': '5322 2.1',
  'header-8bit-not-utf8': '6532 3.1',
  'duplicate-header': '5322 3.6',
  'duplicate-parameter': '2045 5.1',
  'invalid-content-type': '2045 5.1',
  'invalid-parameter': '2231 3',
  'too-many-parameters': '2231 3',
  'encoded-word-in-parameter': '2047 5',
  'missing-boundary': '2046 5.1.1',
  'long-boundary': '2046 5.1.1',
  'missing-first-delimiter': '2046 5.1.1',
  'missing-close-delimiter': '2046 5.1.1',
  'encoding-on-container': '2045 6.4',
  'unknown-transfer-encoding': '2045 6.3',
  'unknown-charset': '2046 4.1.2',
  'invalid-characters': '2046 4.1.2',
  'base64-garbage': '2045 6.8',
  'base64-missing-padding': '2045 6.8',
  'base64-data-after-padding': '2045 6.8',
  'base64-truncated': '2045 6.8',
  'quoted-printable-invalid': '2045 6.7',
  'uuencode-invalid': 'POSIX uuencode',
  'yenc-invalid': 'yEnc 1.3',
  'tnef-invalid': 'MS-OXTNEF 2.1',
  'invalid-address': '5322 3.4',
  'too-many-addresses': '5322 3.6.3',
  'invalid-date': '5322 3.3',
  'invalid-message-id': '5322 3.6.4',
} as const;

/** What was repaired while reading. */
export type DefectCode = keyof typeof rules;

/** One repair: what, where (bytes from the start of the message), and the RFC with the section that the mail broke. */
export interface Defect {
  readonly code: DefectCode;
  readonly offset: number;
  readonly rfc: string;
}

/** Takes note of a repair. */
export type ReportDefect = (code: DefectCode, offset: number) => void;

/** More are not kept: a hostile message could make them outweigh itself. */
const MAX_DEFECTS = 1000;

/** The defects of one message, each place and code once. */
export class DefectList {
  readonly list: Defect[] = [];
  readonly #seen = new Set<string>();

  readonly report: ReportDefect = (code, offset) => {
    const key = `${code} ${offset}`;
    if (this.list.length >= MAX_DEFECTS || this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push({ code, offset, rfc: rules[code] });
  };
}
