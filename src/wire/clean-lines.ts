import { CR, DOT, LF } from './bytes.ts';

/**
 * The check that every large message passes before it is sent, 16 bytes at a time. In JavaScript it costs half of what sending costs:
 * the searches that Node offers find one byte value each, and so run twice a line.
 *
 * The bytes below are this module, which the tests hold against the plain implementation in `dotted`. It compares each byte with the
 * one before: a line feed has to be where that is a carriage return, and nowhere else, and no dot where that is a line feed.
 *
 *     (memory (export "memory") 1)
 *     (func (export "scan") (param $end i32) (param $dot i32) (result i32)
 *       (local $at i32) (local $bytes v128) (local $before v128) (local $dirty v128) (local $cr v128) (local $lf v128) (local $dots v128)
 *       (local.set $cr (i8x16.splat (i32.const 13)))
 *       (local.set $lf (i8x16.splat (i32.const 10)))
 *       (local.set $dots (i8x16.splat (local.get $dot)))
 *       (loop $next
 *         (local.set $bytes (v128.load offset=16 (local.get $at)))
 *         (local.set $before (v128.load offset=15 (local.get $at)))
 *         (local.set $dirty (v128.or (local.get $dirty)
 *           (v128.or
 *             (v128.xor (i8x16.eq (local.get $bytes) (local.get $lf)) (i8x16.eq (local.get $before) (local.get $cr)))
 *             (v128.and (i8x16.eq (local.get $bytes) (local.get $dots)) (i8x16.eq (local.get $before) (local.get $lf))))))
 *         (local.set $at (i32.add (local.get $at) (i32.const 16)))
 *         (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
 *       (v128.any_true (local.get $dirty)))
 */
const MODULE =
  'AGFzbQEAAAABBwFgAn9/AX8DAgEABQMBAAEHEQIGbWVtb3J5AgAEc2NhbgAACmMBYQIBfwZ7QQ39DyEGQQr9DyEHIAH9DyEIA0AgAv0ABBAhAyAC/QAEDyEEIAUg' +
  'AyAH/SMgBCAG/SP9USADIAj9IyAEIAf9I/1O/VD9UCEFIAJBEGohAiACIABJDQALIAX9Uws=';

/** Where the module's memory holds the chunk; the byte before it is the one that it follows. */
const CHUNK_AT = 16;
/** As much of a chunk as fits in a page behind that. */
const BLOCK = 65536 - CHUNK_AT;
/** Below this the plain way is as fast. */
const WORTH_BYTES = 4096;

interface Scanner {
  readonly memory: Uint8Array;
  /** 0 when the first `end` bytes are clean. `end` is a multiple of 16. */
  scan(end: number, dot: number): number;
}

/** Undefined until it is first wanted; null where it cannot be had. */
let scanner: Scanner | null | undefined;

function load(): Scanner | null {
  try {
    const bytes = Uint8Array.from(atob(MODULE), (character) => character.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    return {
      memory: new Uint8Array((exports['memory'] as WebAssembly.Memory).buffer),
      scan: exports['scan'] as Scanner['scan'],
    };
  } catch {
    // No WebAssembly, no vectors in it, no room for its memory, or a policy against it.
    return null;
  }
}

/**
 * True when the chunk, which begins a line where `atLineStart` says so, surely has neither a bare CR or LF nor, with `dots`, a line that
 * begins with a dot, and does not end in CR. False says nothing: look at it in the plain way.
 */
export function hasCleanLines(chunk: Uint8Array, atLineStart: boolean, dots: boolean): boolean {
  if (chunk.length < WORTH_BYTES || chunk[chunk.length - 1] === CR) return false;
  scanner ??= load();
  if (scanner === null) return false;
  const { memory } = scanner;
  let before = atLineStart ? LF : 0;
  for (let at = 0; at < chunk.length; at += BLOCK) {
    const length = Math.min(BLOCK, chunk.length - at);
    memory[CHUNK_AT - 1] = before;
    memory.set(length === chunk.length ? chunk : chunk.subarray(at, at + length), CHUNK_AT);
    let end = length;
    // What is left of the last 16 is no line end, and a CR in front of it is only at the end of a block, whose length is whole.
    while (end % 16 !== 0) memory[CHUNK_AT + end++] = 0;
    // A line feed behind a line feed is not clean anyway: as the dot it changes nothing.
    if (scanner.scan(end, dots ? DOT : LF) !== 0) return false;
    before = chunk[at + length - 1] as number;
  }
  return true;
}
