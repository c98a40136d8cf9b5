// npm run bench -- [NAME] [WORKLOAD...] [--json]: measures postwire beside its peers and a lean limit, in one run.
import { readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { here } from './harness.mjs';

if (globalThis.gc === undefined) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
const known = readdirSync(here)
  .filter((file) => file.endsWith('.mjs') && !['main.mjs', 'harness.mjs', 'data.mjs', 'peak-rss.mjs'].includes(file))
  .map((file) => file.slice(0, -4));
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const json = process.argv.includes('--json');
const names = words.length > 0 && known.includes(words[0]) ? [words[0]] : known;
const workloads = words.slice(names.length === 1 && names[0] === words[0] ? 1 : 0);
if (words.length > 0 && names.length > 1) {
  console.error(`no bench ${words[0]}; there are ${known.join(', ')}`);
  process.exit(2);
}
for (const name of names) {
  const { run } = await import(`./${name}.mjs`);
  for await (const rows of run((workload) => workloads.length === 0 || workloads.includes(workload))) {
    if (json) {
      for (const row of rows) console.log(JSON.stringify(row));
      continue;
    }
    console.log(`\n${rows[0].bench} ${rows[0].workload} (${rows[0].unit}, ${rows[0].rounds} rounds)`);
    for (const row of rows) {
      const cell = (text, width) => String(text ?? '-').padStart(width);
      console.log(
        row.error === undefined
          ? `  ${row.subject.padEnd(28)}${cell(row.value, 12)}  to best peer ${cell(row.ratio_to_best_peer, 7)}  to limit ${cell(row.ratio_to_limit, 7)}  peak ${cell(row.peak_rss_mb, 5)} MB${row.ratio_to_ordinary === undefined ? '' : `  to ordinary mail ${row.ratio_to_ordinary}`}`
          : `  ${row.subject.padEnd(28)} ${row.error}`,
      );
    }
  }
}
process.exit(0);
