/**
 * The inner loops of yEnc, 16 bytes at a time; in JavaScript they take ten times as long. The bytes of MODULE are this module, which the tests
 * hold against the plain implementation below. Where bytes are dropped or put in, a table says how the others move together or apart.
 *
 *   (memory (export "memory") 6)
 *   (global $at (export "at") (mut i32) (i32.const 0))
 *   (global $column (export "column") (mut i32) (i32.const 0))
 *   (func (export "decode") (param $in i32) (param $end i32) (param $out i32) (result i32)
 *     (local $bytes v128) (local $equals v128) (local $before v128) (local $mask i32) (local $drop i32) (local $byte i32) (local $stop i32)
 *     (block $done
 *       (loop $fast
 *         (if (i32.le_u (i32.add (local.get $in) (i32.const 16)) (local.get $end)) (then
 *           (local.set $bytes (v128.load (local.get $in)))
 *           (local.set $equals (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 61))))
 *           (local.set $before (i8x16.shuffle 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 (local.get $before) (local.get $equals)))
 *           (local.set $drop (i8x16.bitmask (v128.or (local.get $equals)
 *             (v128.or
 *               (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 13)))
 *               (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 10)))))))
 *           (if (i32.eqz (i32.and (i8x16.bitmask (local.get $before))
 *                 (i32.or (local.get $drop) (i8x16.bitmask (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 121))))))) (then
 *             (local.set $bytes (i8x16.sub (local.get $bytes)
 *               (i8x16.add (i8x16.splat (i32.const 42)) (v128.and (local.get $before) (i8x16.splat (i32.const 64))))))
 *             (local.set $mask (i32.and (local.get $drop) (i32.const 255)))
 *             (v128.store (local.get $out) (i8x16.swizzle (local.get $bytes)
 *               (v128.load64_zero (i32.shl (local.get $mask) (i32.const 3)))))
 *             (local.set $out (i32.sub (i32.add (local.get $out) (i32.const 8)) (i32.popcnt (local.get $mask))))
 *             (local.set $mask (i32.shr_u (local.get $drop) (i32.const 8)))
 *             (v128.store (local.get $out) (i8x16.swizzle (local.get $bytes)
 *               (i8x16.add (v128.load64_zero (i32.shl (local.get $mask) (i32.const 3))) (i8x16.splat (i32.const 8)))))
 *             (local.set $out (i32.sub (i32.add (local.get $out) (i32.const 8)) (i32.popcnt (local.get $mask))))
 *             (local.set $before (local.get $equals))
 *             (local.set $in (i32.add (local.get $in) (i32.const 16)))
 *             (br $fast)))
 *           ;; an escape of what is no data, or a header
 *           (local.set $in (i32.sub (local.get $in) (i32.and (i8x16.extract_lane_u 0 (local.get $before)) (i32.const 1))))
 *           (local.set $before (v128.const i32x4 0 0 0 0))
 *           (local.set $stop (i32.add (local.get $in) (i32.const 16))))
 *         (else
 *           (local.set $in (i32.sub (local.get $in) (i32.and (i8x16.extract_lane_u 15 (local.get $before)) (i32.const 1))))
 *           (local.set $before (v128.const i32x4 0 0 0 0))
 *           (local.set $stop (local.get $end))))
 *         (loop $slow
 *           (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
 *           (br_if $fast (i32.ge_u (local.get $in) (local.get $stop)))
 *           (local.set $byte (i32.load8_u (local.get $in)))
 *           (if (i32.eq (local.get $byte) (i32.const 61)) (then
 *             (br_if $done (i32.ge_u (i32.add (local.get $in) (i32.const 1)) (local.get $end)))
 *             (local.set $byte (i32.load8_u offset=1 (local.get $in)))
 *             (br_if $done (i32.and (i32.eq (local.get $byte) (i32.const 121))
 *               (i32.eq (i32.load8_u (i32.sub (local.get $in) (i32.const 1))) (i32.const 10))))
 *             (i32.store8 (local.get $out) (i32.sub (local.get $byte) (i32.const 106)))
 *             (local.set $out (i32.add (local.get $out) (i32.const 1)))
 *             (local.set $in (i32.add (local.get $in) (i32.const 2)))
 *             (br $slow)))
 *           (local.set $in (i32.add (local.get $in) (i32.const 1)))
 *           (br_if $slow (i32.or (i32.eq (local.get $byte) (i32.const 13)) (i32.eq (local.get $byte) (i32.const 10))))
 *           (i32.store8 (local.get $out) (i32.sub (local.get $byte) (i32.const 42)))
 *           (local.set $out (i32.add (local.get $out) (i32.const 1)))
 *           (br $slow))))
 *     (global.set $at (local.get $in))
 *     (local.get $out))
 *   (func (export "encode") (param $in i32) (param $end i32) (param $out i32) (param $line i32) (result i32)
 *     (local $bytes v128) (local $special v128) (local $mask i32) (local $byte i32) (local $column i32)
 *     (local.set $column (global.get $column))
 *     (block $done
 *       (loop $next
 *         (br_if $done (i32.ge_u (local.get $in) (local.get $end)))
 *         (if (i32.ge_u (local.get $column) (local.get $line)) (then
 *           (i32.store16 (local.get $out) (i32.const 0x0a0d))
 *           (local.set $out (i32.add (local.get $out) (i32.const 2)))
 *           (local.set $column (i32.const 0))))
 *         (if (i32.le_u (i32.add (local.get $in) (i32.const 8)) (local.get $end)) (then
 *           (local.set $bytes (i8x16.add (v128.load64_zero (local.get $in)) (i8x16.splat (i32.const 42))))
 *           (local.set $special (v128.or
 *             (v128.or
 *               (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 61)))
 *               (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 0))))
 *             (v128.or
 *               (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 13)))
 *               (i8x16.eq (local.get $bytes) (i8x16.splat (i32.const 10))))))
 *           (local.set $mask (i32.and (i8x16.bitmask (local.get $special)) (i32.const 255)))
 *           (local.set $byte (i32.add (i32.const 8) (i32.popcnt (local.get $mask))))
 *           (if (i32.le_u (i32.add (local.get $column) (local.get $byte)) (local.get $line)) (then
 *             (local.set $bytes (i8x16.add (local.get $bytes) (v128.and (local.get $special) (i8x16.splat (i32.const 64)))))
 *             (local.set $mask (i32.shl (local.get $mask) (i32.const 4)))
 *             (local.set $special (v128.load offset=2048 (local.get $mask)))
 *             (v128.store (local.get $out) (v128.or
 *               (i8x16.swizzle (local.get $bytes) (local.get $special))
 *               (v128.and (i8x16.eq (local.get $special) (i8x16.splat (i32.const 255))) (i8x16.splat (i32.const 61)))))
 *             (local.set $out (i32.add (local.get $out) (local.get $byte)))
 *             (local.set $column (i32.add (local.get $column) (local.get $byte)))
 *             (local.set $in (i32.add (local.get $in) (i32.const 8)))
 *             (br $next)))))
 *         (loop $rest
 *           (local.set $byte (i32.and (i32.add (i32.load8_u (local.get $in)) (i32.const 42)) (i32.const 255)))
 *           (local.set $in (i32.add (local.get $in) (i32.const 1)))
 *           (if (i32.or
 *                 (i32.or (i32.eqz (local.get $byte)) (i32.eq (local.get $byte) (i32.const 61)))
 *                 (i32.or (i32.eq (local.get $byte) (i32.const 13)) (i32.eq (local.get $byte) (i32.const 10)))) (then
 *             (i32.store8 (local.get $out) (i32.const 61))
 *             (local.set $out (i32.add (local.get $out) (i32.const 1)))
 *             (local.set $column (i32.add (local.get $column) (i32.const 1)))
 *             (local.set $byte (i32.add (local.get $byte) (i32.const 64)))))
 *           (i32.store8 (local.get $out) (local.get $byte))
 *           (local.set $out (i32.add (local.get $out) (i32.const 1)))
 *           (local.set $column (i32.add (local.get $column) (i32.const 1)))
 *           (br_if $rest (i32.and (i32.lt_u (local.get $in) (local.get $end)) (i32.lt_u (local.get $column) (local.get $line)))))
 *         (br $next)))
 *     (global.set $column (local.get $column))
 *     (local.get $out))
 */
const MODULE =
  'AGFzbQEAAAABEAJgA39/fwF/YAR/f39/AX8DAwIAAQUDAQAGBgsCfwFBAAt/AUEACwcqBQZtZW1vcnkCAAJhdAMABmNvbHVtbgMBBmRlY29kZQAABmVuY29kZQABCp8GAs' +
  'ADAgN7BH8CQANAIABBEGogAU0EQCAA/QAEACEDIANBPf0P/SMhBCAFIAT9DQ8QERITFBUWFxgZGhscHR4hBSAEIANBDf0P/SMgA0EK/Q/9I/1Q/VD9ZCEHIAX9ZCAHIANB' +
  '+QD9D/0j/WRycUUEQCADQSr9DyAFQcAA/Q/9Tv1u/XEhAyAHQf8BcSEGIAIgAyAGQQN0/V0DAP0O/QsEACACQQhqIAZpayECIAdBCHYhBiACIAMgBkEDdP1dAwBBCP0P/W' +
  '79Dv0LBAAgAkEIaiAGaWshAiAEIQUgAEEQaiEADAILIAAgBf0WAEEBcWshAP0MAAAAAAAAAAAAAAAAAAAAACEFIABBEGohCQUgACAF/RYPQQFxayEA/QwAAAAAAAAAAAAA' +
  'AAAAAAAAIQUgASEJCwNAIAAgAU8NAiAAIAlPDQEgAC0AACEIIAhBPUYEQCAAQQFqIAFPDQMgAC0AASEIIAhB+QBGIABBAWstAABBCkZxDQMgAiAIQeoAazoAACACQQFqIQ' +
  'IgAEECaiEADAELIABBAWohACAIQQ1GIAhBCkZyDQAgAiAIQSprOgAAIAJBAWohAgwACwsLIAAkACACC9oCAgJ7A38jASEIAkADQCAAIAFPDQEgCCADTwRAIAJBjRQ7AQAg' +
  'AkECaiECQQAhCAsgAEEIaiABTQRAIAD9XQMAQSr9D/1uIQQgBEE9/Q/9IyAEQQD9D/0j/VAgBEEN/Q/9IyAEQQr9D/0j/VD9UCEFIAX9ZEH/AXEhBkEIIAZpaiEHIAggB2' +
  'ogA00EQCAEIAVBwAD9D/1O/W4hBCAGQQR0IQYgBv0ABIAQIQUgAiAEIAX9DiAFQf8B/Q/9I0E9/Q/9Tv1Q/QsEACACIAdqIQIgCCAHaiEIIABBCGohAAwCCwsDQCAALQAA' +
  'QSpqQf8BcSEHIABBAWohACAHRSAHQT1GciAHQQ1GIAdBCkZycgRAIAJBPToAACACQQFqIQIgCEEBaiEIIAdBwABqIQcLIAIgBzoAACACQQFqIQIgCEEBaiEIIAAgAUkgCC' +
  'ADSXENAAsMAAsLIAgkASACCw==';

/** As many bytes as are decoded at once. Encoding takes half: what comes out may be twice as long, and has line ends. */
export const BLOCK_BYTES = 65536;
/** Behind the tables; the byte before it is the one that the block follows. */
export const INPUT_AT = 8192;
export const OUTPUT_AT = 8192 + BLOCK_BYTES + 64;
const SPREAD_AT = 2048;
const MEMORY_BYTES = 6 * 65536;

/** The loops over one memory, which holds a block and what is made of it. */
export interface YencBlocks {
  readonly memory: Uint8Array;
  /** Decodes up to `end`, a header or an escape whose next byte is not there; returns where the output ends. */
  decode(input: number, end: number, output: number): number;
  /** Where the decoder stopped. */
  at(): number;
  /** Encodes, going on with the line that the block before ended in; returns where the output ends. */
  encode(input: number, end: number, output: number, lineLength: number): number;
  /** The next block begins a line. */
  startLines(): void;
}

let blocks: YencBlocks | undefined;

/** The loops, made when they are first wanted. */
export function yencBlocks(): YencBlocks {
  blocks ??= compiledBlocks() ?? plainBlocks();
  return blocks;
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly at: { readonly value: number };
  readonly column: { value: number };
  readonly decode: YencBlocks['decode'];
  readonly encode: YencBlocks['encode'];
}

/** Undefined where there is no WebAssembly, no vectors in it, or a policy against it. */
export function compiledBlocks(): YencBlocks | undefined {
  try {
    const bytes = Uint8Array.from(atob(MODULE), (character) => character.charCodeAt(0));
    const exports = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Exports;
    const memory = new Uint8Array(exports.memory.buffer);
    fillTables(memory);
    return {
      memory,
      decode: exports.decode,
      at: () => exports.at.value,
      encode: exports.encode,
      startLines() {
        exports.column.value = 0;
      },
    };
  } catch {
    return undefined;
  }
}

/** For each mask of eight bytes: where each byte that stays comes from; and where those come from that are spread, 255 before an escaped one. */
function fillTables(memory: Uint8Array): void {
  for (let mask = 0; mask < 256; mask++) {
    let kept = mask * 8;
    let spread = SPREAD_AT + mask * 16;
    const end = spread + 16;
    for (let bit = 0; bit < 8; bit++) {
      const marked = ((mask >> bit) & 1) === 1;
      if (marked) memory[spread++] = 255;
      else memory[kept++] = bit;
      memory[spread++] = bit;
    }
    // Takes nothing, and is no escape.
    memory.fill(128, spread, end);
  }
}

/** The same byte by byte. */
export function plainBlocks(): YencBlocks {
  const memory = new Uint8Array(MEMORY_BYTES);
  let stoppedAt = 0;
  let column = 0;
  return {
    memory,
    at: () => stoppedAt,
    startLines() {
      column = 0;
    },
    decode(input, end, output) {
      let [at, out] = [input, output];
      for (; at < end; at++) {
        const byte = memory[at] as number;
        if (byte === 61) {
          if (at + 1 >= end) break;
          const next = memory[at + 1] as number;
          if (next === 121 && memory[at - 1] === 10) break;
          memory[out++] = next - 106;
          at++;
        } else if (byte !== 13 && byte !== 10) memory[out++] = byte - 42;
      }
      stoppedAt = at;
      return out;
    },
    encode(input, end, output, lineLength) {
      let out = output;
      for (let at = input; at < end; at++) {
        if (column >= lineLength) {
          memory[out++] = 13;
          memory[out++] = 10;
          column = 0;
        }
        let byte = ((memory[at] as number) + 42) & 255;
        if (byte === 0 || byte === 10 || byte === 13 || byte === 61) {
          memory[out++] = 61;
          column++;
          byte += 64;
        }
        memory[out++] = byte;
        column++;
      }
      return out;
    },
  };
}
