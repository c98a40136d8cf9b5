import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { fakeFtp } from '../../src/testing/index.ts';

const program = resolve('dist/cli/main.js');

function postwire(
  args: readonly string[],
  env: Record<string, string>,
  cwd: string,
  input = '',
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [program, 'ftp', ...args], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += String(chunk)));
    child.stderr.on('data', (chunk) => (err += String(chunk)));
    child.on('close', (code) => done({ code, out, err }));
    child.stdin.end(input);
  });
}

test('postwire ftp ls, get, put, sync, rm and mkdir', async () => {
  await using server = await fakeFtp({ users: { ann: 'pw' } });
  const cwd = mkdtempSync(join(tmpdir(), 'postwire-'));
  const run = (...args: string[]): ReturnType<typeof postwire> => postwire(args, { FTP_URL: server.url }, cwd);
  try {
    server.files.write('/a file', 'content', new Date('2020-01-02T03:04:05Z'));
    expect(await run('ls')).toEqual({ code: 0, out: '-\t7\t2020-01-02 03:04\ta file\n', err: '' });
    expect(JSON.parse((await run('ls', '--json')).out)).toMatchObject({ name: 'a file', sizeBytes: 7 });
    expect(await run('get', 'a file')).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(join(cwd, 'a file'), 'utf8')).toBe('content');
    expect((await run('get', 'a file', '-')).out).toBe('content');
    writeFileSync(join(cwd, 'there.part'), 'cont');
    expect(JSON.parse((await run('get', '-c', 'a file', 'there', '--json')).out)).toMatchObject({
      ok: true,
      bytes: 7,
      resumedBytes: 4,
    });
    expect(await run('mkdir', 'd', 'd/e')).toMatchObject({ code: 0 });
    expect(await run('put', 'a file', 'd/')).toMatchObject({ code: 0, err: '' });
    expect(server.files.text('/d/a file')).toBe('content');
    expect(await postwire(['put', '-', 'piped'], { FTP_URL: server.url }, cwd, 'from a pipe')).toMatchObject({
      code: 0,
    });
    expect(server.files.text('/piped')).toBe('from a pipe');
    mkdirSync(join(cwd, 'site/sub'), { recursive: true });
    writeFileSync(join(cwd, 'site/sub/x'), 'x');
    writeFileSync(join(cwd, 'site/secret'), 'x');
    expect(await run('sync', 'site', 'www', '-n', '--exclude', 'secret')).toMatchObject({
      code: 0,
      out: 'transfer sub/x\n',
    });
    expect(await run('sync', 'site', 'www', '--exclude', 'secret')).toMatchObject({
      code: 0,
      err: '1 transferred, 0 unchanged, 0 deleted\n',
    });
    expect(server.files.text('/www/sub/x')).toBe('x');
    expect(server.files.text('/www/secret')).toBeUndefined();
    expect(await run('get', '-r', 'www', 'copy')).toMatchObject({ code: 0 });
    expect(readFileSync(join(cwd, 'copy/sub/x'), 'utf8')).toBe('x');
    expect(await run('rm', '-r', 'www', 'piped')).toMatchObject({ code: 0, err: '' });
    expect(server.files.get('/www')).toBeUndefined();
    expect(await run('rm', 'nothing')).toMatchObject({ code: 7 });
    expect(await run('get', 'nothing')).toMatchObject({ code: 7 });
    expect(await postwire(['ls'], {}, cwd)).toMatchObject({
      code: 2,
      err: expect.stringContaining('FTP_URL') as string,
    });
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}, 180_000);
