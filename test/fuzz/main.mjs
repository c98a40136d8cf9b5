// npm run fuzz -- [--target NAME] [--seconds N] [--seed N]: random and mutated input for every decoder that reads what a peer sends.
// A target may throw PostwireError and nothing else, and must end. Prints executions, and the input that broke a target, as base64.
import { parseArgs } from 'node:util';
import { targets } from './targets.mjs';

const { values } = parseArgs({
  options: { target: { type: 'string' }, seconds: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
const names = values.target === undefined ? Object.keys(targets) : [values.target];
for (const name of names) {
  if (targets[name] === undefined) {
    console.error(`no target ${name}; there are ${Object.keys(targets).join(', ')}`);
    process.exit(2);
  }
}

/** mulberry32: the same inputs for the same seed. */
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const deadlinePerTarget = (Number(values.seconds) * 1000) / names.length;
let broken = 0;
for (const name of names) {
  const { seeds, alphabet, run } = targets[name];
  const next = random(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const mutate = (text) => {
    let result = text;
    for (let count = 1 + Math.floor(next() * 4); count > 0; count--) {
      const at = Math.floor(next() * (result.length + 1));
      const kind = next();
      if (kind < 0.3) result = result.slice(0, at) + pick(alphabet) + result.slice(at);
      else if (kind < 0.5) result = result.slice(0, at) + result.slice(at + 1 + Math.floor(next() * 4));
      else if (kind < 0.7)
        result = result.slice(0, at) + String.fromCharCode(Math.floor(next() * 256)) + result.slice(at + 1);
      else if (kind < 0.85)
        result = result.slice(0, at) + pick(seeds).slice(Math.floor(next() * 10)) + result.slice(at);
      else
        result = result.slice(0, at) + result.slice(at, at + 20).repeat(1 + Math.floor(next() * 50)) + result.slice(at);
    }
    return result.slice(0, 20_000);
  };
  const corpus = [...seeds];
  const started = performance.now();
  let executions = 0;
  let slowest = 0;
  while (performance.now() - started < deadlinePerTarget && broken === 0) {
    const input = mutate(pick(corpus));
    if (corpus.length < 500 && next() < 0.05) corpus.push(input);
    const before = performance.now();
    try {
      run(input, next);
    } catch (error) {
      broken++;
      console.log(
        JSON.stringify({
          target: name,
          seed,
          executions,
          error: String(error?.stack ?? error),
          input: Buffer.from(input, 'latin1').toString('base64'),
        }),
      );
    }
    slowest = Math.max(slowest, performance.now() - before);
    executions++;
    if (slowest > 2000) {
      broken++;
      console.log(
        JSON.stringify({
          target: name,
          seed,
          executions,
          error: `one input took ${slowest} ms`,
          input: Buffer.from(input, 'latin1').toString('base64'),
        }),
      );
    }
  }
  console.log(JSON.stringify({ target: name, seed, executions, slowestMs: Number(slowest.toFixed(1)), broken }));
}
process.exit(broken === 0 ? 0 : 1);
