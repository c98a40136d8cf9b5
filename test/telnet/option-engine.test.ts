import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TelnetVerb } from '../../src/telnet/codec.ts';
import { OptionEngine, type TelnetSide } from '../../src/telnet/option-engine.ts';

type Message = readonly [TelnetVerb, number];

function engine(accepts: (side: TelnetSide, option: number) => boolean = () => true): {
  engine: OptionEngine;
  sent: Message[];
  changes: string[];
} {
  const sent: Message[] = [];
  const changes: string[] = [];
  return {
    sent,
    changes,
    engine: new OptionEngine({
      send: (verb, option) => sent.push([verb, option]),
      accepts,
      changed: (side, option, on) => changes.push(`${side} ${option} ${on ? 'on' : 'off'}`),
    }),
  };
}

describe('the Q method', () => {
  test('a request that is accepted, refused, repeated', () => {
    const { engine: us, sent, changes } = engine((_side, option) => option === 1);
    us.receive('WILL', 1);
    us.receive('WILL', 1);
    us.receive('DO', 24);
    us.receive('WONT', 24);
    expect(sent).toEqual([
      ['DO', 1],
      ['WONT', 24],
    ]);
    us.receive('WONT', 1);
    expect(sent.at(-1)).toEqual(['DONT', 1]);
    expect(changes).toEqual(['them 1 on', 'them 1 off']);
  });

  test('enable and disable can be awaited, and queue', async () => {
    const { engine: us, sent } = engine();
    const first = us.enable('us', 31);
    const off = us.disable('us', 31);
    const on = us.enable('us', 31);
    expect(sent).toEqual([['WILL', 31]]);
    us.receive('DO', 31);
    expect(await Promise.all([first, off, on])).toEqual([true, true, true]);
    const last = us.disable('us', 31);
    us.receive('DONT', 31);
    expect(await last).toBe(false);
    expect(sent).toEqual([
      ['WILL', 31],
      ['WONT', 31],
    ]);
    const refused = us.enable('them', 1);
    us.receive('WONT', 1);
    expect(await refused).toBe(false);
    const never = us.enable('them', 3);
    us.end();
    expect(await never).toBe(false);
  });

  test('a change of mind before the answer is sent behind it', async () => {
    const { engine: us, sent } = engine();
    void us.enable('them', 0);
    const off = us.disable('them', 0);
    us.receive('WILL', 0);
    expect(sent).toEqual([
      ['DO', 0],
      ['DONT', 0],
    ]);
    us.receive('WONT', 0);
    expect(await off).toBe(false);
    expect(us.settled).toBe(true);
  });

  test.each([true, false])('TN-01: a peer that repeats itself 10^5 times, where we accept: %s', (accept) => {
    for (const pattern of [
      ['WILL'],
      ['DO'],
      ['WILL', 'WONT'],
      ['DO', 'DONT'],
      ['DONT', 'WILL', 'DO', 'WONT'],
    ] as TelnetVerb[][]) {
      const { engine: us, sent } = engine(() => accept);
      for (let count = 0; count < 100_000; count++) us.receive(pattern[count % pattern.length] as TelnetVerb, 7);
      expect(sent.length * 3).toBeLessThan(200);
    }
  });

  test('TN-01: a peer that asks for everything, over and over, costs less than 4 KiB', () => {
    const { engine: us, sent } = engine(() => false);
    for (let count = 0; count < 100; count++)
      for (const verb of ['WILL', 'DO', 'WONT', 'DONT'] as const)
        for (let option = 0; option < 256; option++) us.receive(verb, option);
    expect(sent.length * 3).toBeLessThan(4096);
  });

  test('TN-01: a peer that echoes what we send', () => {
    const { engine: us, sent } = engine();
    void us.enable('us', 31);
    void us.enable('them', 1);
    void us.enable('us', 0);
    void us.disable('us', 0);
    let answered = 0;
    while (answered < sent.length && answered < 1000) us.receive(...(sent[answered++] as Message));
    expect(sent.length).toBeLessThan(40);
  });
});

test('two engines facing each other always come to rest, of one mind', () => {
  const side = fc.constantFrom<TelnetSide>('us', 'them');
  const option = fc.integer({ min: 0, max: 2 });
  const act = fc.oneof(
    fc.record({ kind: fc.constant('ask' as const), who: fc.nat(1), side, option, on: fc.boolean() }),
    fc.record({ kind: fc.constant('deliver' as const), who: fc.nat(1), count: fc.nat(3) }),
  );
  const accepts = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(accepts, accepts, fc.array(act, { maxLength: 40 }), (ours, theirs, acts) => {
      const ends = [ours, theirs].map((allowed) =>
        engine((which, number) => allowed[number * 2 + (which === 'us' ? 0 : 1)] === true),
      );
      const [a, b] = ends as [ReturnType<typeof engine>, ReturnType<typeof engine>];
      const read = [0, 0];
      /** Gives the next message of `who` to the other end; false when there is none. */
      const deliver = (who: number): boolean => {
        const from = who === 0 ? a : b;
        const message = from.sent[read[who] as number];
        if (message === undefined) return false;
        read[who] = (read[who] as number) + 1;
        (who === 0 ? b : a).engine.receive(...message);
        return true;
      };
      for (const each of acts) {
        if (each.kind === 'deliver') for (let count = 0; count < each.count; count++) deliver(each.who);
        else void (each.who === 0 ? a : b).engine[each.on ? 'enable' : 'disable'](each.side, each.option);
      }
      let steps = 0;
      while (deliver(0) || deliver(1)) expect(++steps).toBeLessThan(1000);
      expect([a.engine.settled, b.engine.settled]).toEqual([true, true]);
      for (const number of [0, 1, 2]) {
        expect(a.engine.on('us', number)).toBe(b.engine.on('them', number));
        expect(a.engine.on('them', number)).toBe(b.engine.on('us', number));
      }
    }),
    { numRuns: 2000 },
  );
});
