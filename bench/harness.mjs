// Interleaved rounds: the subjects take turns within one run, in rotated order, so that all see the same noise. What counts is the median of
// the per-round ratios, never an absolute figure.
import { fork, spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

export const ROUNDS = Number(process.env.ROUNDS ?? 5);
export const here = fileURLToPath(new URL('.', import.meta.url));

const median = (values) => {
  const sorted = values.toSorted?.((a, b) => a - b) ?? [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const round = (value, digits = 3) =>
  value === undefined || Number.isNaN(value) ? undefined : Number(value.toPrecision(digits + 1));

/**
 * Runs one workload. `subjects` maps a name to an async function that returns { amount, seconds?, rssMb? }; the name `limit` is the limit,
 * `postwire` is ours, as is what begins so, all others are peers. Returns a row a subject.
 */
export async function compare(bench, workload, unit, subjects, { rounds = ROUNDS, warmUp = 3 } = {}) {
  const names = Object.keys(subjects);
  const rates = Object.fromEntries(names.map((name) => [name, []]));
  const rss = Object.fromEntries(names.map((name) => [name, []]));
  const failures = {};
  for (let turn = -warmUp; turn < rounds; turn++) {
    const shift = (((turn + warmUp) % names.length) + names.length) % names.length;
    for (const name of [...names.slice(shift), ...names.slice(0, shift)]) {
      if (failures[name] !== undefined) continue;
      try {
        // Minor: a full collection throws away optimised code, which no program that runs meets.
        globalThis.gc?.({ type: 'minor' });
        const started = performance.now();
        const result = await subjects[name]();
        const seconds = result.seconds ?? (performance.now() - started) / 1000;
        if (turn < 0) continue;
        rates[name].push(result.amount / seconds);
        if (result.rssMb !== undefined) rss[name].push(result.rssMb);
      } catch (error) {
        failures[name] = String(error?.message ?? error).slice(0, 300);
      }
    }
  }
  const alive = names.filter((name) => failures[name] === undefined);
  const peers = alive.filter((name) => !name.startsWith('postwire') && name !== 'limit');
  const best =
    peers.toSorted?.((a, b) => median(rates[b]) - median(rates[a]))[0] ??
    [...peers].sort((a, b) => median(rates[b]) - median(rates[a]))[0];
  const ratio = (name, other) =>
    other === undefined || !alive.includes(other)
      ? undefined
      : round(median(rates[name].map((value, index) => value / rates[other][index])));
  return names.map((name) =>
    failures[name] !== undefined
      ? { bench, workload, subject: name, error: failures[name] }
      : {
          bench,
          workload,
          subject: name,
          value: round(median(rates[name])),
          unit,
          ratio_to_best_peer: name === best ? 1 : ratio(name, best),
          best_peer: best,
          ratio_to_limit: ratio(name, 'limit'),
          peak_rss_mb: rss[name].length > 0 ? round(Math.max(...rss[name])) : undefined,
          rounds,
        },
  );
}

/** Repeats an action for at least so long. */
export const repeatFor = (milliseconds, action) => async () => {
  let amount = 0;
  const started = performance.now();
  let now;
  do {
    amount += await action();
    now = performance.now();
  } while (now - started < milliseconds);
  return { amount, seconds: (now - started) / 1000 };
};

/** A fresh process that prints one line of JSON: { amount, seconds, rssMb }. */
export const child = (command, args) => () =>
  new Promise((resolve, reject) => {
    const process_ = spawn(command, args, { cwd: here, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    process_.stdout.on('data', (chunk) => (out += chunk));
    process_.stderr.on('data', (chunk) => (err += chunk));
    process_.on('error', reject);
    process_.on('close', (code) =>
      code === 0
        ? resolve(JSON.parse(out.trim().split('\n').at(-1)))
        : reject(new Error(`${args.join(' ')}: ${err.slice(-300)}`)),
    );
  });

/**
 * The subjects that `module` exports for a workload, each in a process of its own that lives as long as the comparison, for `compare` to call
 * in turns.
 */
export async function* isolated(module, workload, names) {
  const processes = [];
  const subjects = {};
  for (const name of names) {
    const process_ = fork(`${here}children/subject.mjs`, [module, workload, name], { execArgv: [] });
    processes.push(process_);
    const reply = () =>
      new Promise((resolve, reject) => {
        const ended = (code) => reject(new Error(`${name} ended with ${code}`));
        process_.once('exit', ended);
        process_.once('message', (message) => {
          process_.off('exit', ended);
          if (message.error === undefined) resolve(message);
          else reject(new Error(message.error));
        });
      });
    await reply();
    subjects[name] = () => {
      process_.send('go');
      return reply();
    };
  }
  try {
    yield subjects;
  } finally {
    for (const process_ of processes) process_.kill();
  }
}

/** A server in a process of its own, which prints `LISTEN port`. */
export async function startServer(script, args = []) {
  const server = spawn(process.execPath, [`${here}servers/${script}`, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await new Promise((resolve, reject) => {
    server.stdout.on('data', (chunk) => {
      const match = /LISTEN (\d+)/.exec(String(chunk));
      if (match) resolve(Number(match[1]));
    });
    server.on('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return { port, stop: () => server.kill() };
}
