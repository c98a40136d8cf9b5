import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Needle, TelnetOutput, textOfPieces } from '../../src/telnet/output.ts';

test('whatever is pushed, sought and taken, it is as one text would be', () => {
  // Large pieces are kept as they are, small ones copied together.
  const piece = fc.oneof(
    fc.array(fc.constantFrom('a', '$', ' ', 'é'), { maxLength: 8 }).map((letters) => letters.join('')),
    fc.constantFrom('a$'.repeat(3000), '$ '.repeat(3000), ' '.repeat(5000)),
  );
  const act = fc.oneof(
    fc.record({ push: piece }),
    fc.record({ seek: fc.constantFrom('a', '$ ', 'a$a', ' a', '$$', 'é$'), from: fc.nat(12_000) }),
    fc.record({ take: fc.nat(9000) }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const output = new TelnetOutput();
      let model = Buffer.alloc(0);
      for (const each of acts) {
        if ('push' in each) {
          output.push(Buffer.from(each.push));
          model = Buffer.concat([model, Buffer.from(each.push)]);
        } else if ('seek' in each) {
          expect(output.indexOf(new Needle(Buffer.from(each.seek)), each.from)).toBe(
            model.indexOf(each.seek, each.from),
          );
        } else {
          const count = Math.min(each.take, model.length);
          expect(Buffer.concat(output.take(count)).equals(model.subarray(0, count))).toBe(true);
          model = model.subarray(count);
        }
        expect(output.length).toBe(model.length);
      }
      expect(Buffer.from(output.slice(3, 100)).equals(model.subarray(3, 100))).toBe(true);
      expect(Buffer.concat(output.take(model.length)).equals(model)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(textOfPieces([Buffer.from('é'), Buffer.from('a')])).toBe('éa');
});
