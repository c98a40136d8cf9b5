import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect, test } from 'vitest';

test('nothing that postwire/mime loads reaches a node: module', () => {
  const seen = new Set<string>();
  const outside = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    const targets = [
      ...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;]*?\bfrom\s+'([^']+)'/g),
      ...text.matchAll(/\bimport\('([^']+)'\)/g),
    ].map((match) => match[1] as string);
    for (const target of targets) {
      if (target.startsWith('.')) visit(resolve(dirname(file), target));
      else outside.add(target);
    }
  };
  visit(resolve('dist/mime/index.js'));
  expect(seen.size).toBeGreaterThan(20);
  expect([...outside].toSorted()).toEqual(['html-to-text', 'mime']);
});
