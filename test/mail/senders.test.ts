import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileSender, sendMail, sendmailSender } from '../../src/mail/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'postwire-'));
const draft = { from: 'a@example.com', to: ['b@example.com', 'c@example.com'], subject: 'x', text: 'one\n.\ntwo\n' };
let programs = 0;
const program = (script: string): { command: string; out: string } => {
  const name = join(folder, `program${++programs}`);
  writeFileSync(name, `#!/bin/sh\nOUT=${name}.out\n${script}\n`);
  chmodSync(name, 0o755);
  return { command: name, out: `${name}.out` };
};

describe('sendmail', () => {
  test('gets the message on standard input, the addresses behind --', async () => {
    const { command, out } = program('printf "%s\\n" "$@" > $OUT.args; cat > $OUT');
    const result = await sendMail(sendmailSender({ command, args: ['-oem'] }), draft);
    expect(result.accepted).toEqual(draft.to);
    expect(readFileSync(`${out}.args`, 'utf8')).toBe('-oem\n-i\n-f\na@example.com\n--\nb@example.com\nc@example.com\n');
    expect(readFileSync(out, 'utf8')).toContain('Subject: x\r\n');
    expect(readFileSync(out, 'utf8')).toContain('\r\none\r\n.\r\ntwo\r\n');
  });
  test.each(['-oQ/tmp', '"-X/x"@d.example', "'-be", '\\-x', 'a\r\nb'])(
    'SMTP-31: %j is no address for it',
    async (address) => {
      const { command, out } = program('cat > $OUT');
      const sender = sendmailSender({ command });
      for (const envelope of [
        { from: address, to: ['b@example.com'] },
        { from: '', to: ['b@example.com', address] },
      ])
        await expect(sender.send(envelope, 'x')).rejects.toMatchObject({ code: 'USAGE' });
      expect(existsSync(out)).toBe(false);
    },
  );
  test('SMTP-31: its status and words are the error; it may end before it has read', async () => {
    const later = program('echo "queue is full" >&2; exit 75');
    const message = Buffer.alloc(5_000_000, 'x\n');
    await expect(sendmailSender(later).send({ from: '', to: 'b@example.com' }, message)).rejects.toMatchObject({
      code: 'REPLY',
      temporary: true,
      message: expect.stringContaining('status 75: queue is full') as string,
    });
    await expect(sendMail(sendmailSender({ command: '/nowhere/sendmail' }), draft)).rejects.toMatchObject({
      code: 'USAGE',
    });
  });
  test('a message that breaks off is not sent, an abort ends it', async () => {
    const { command, out } = program('cat > $OUT.tmp && mv $OUT.tmp $OUT');
    const failure = new Error('disk');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('Subject: x\r\n');
      throw failure;
    }
    await expect(sendmailSender({ command }).send({ from: '', to: 'b@example.com' }, broken())).rejects.toBe(failure);
    const slow = program('sleep 30');
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(
      sendmailSender(slow).send({ from: '', to: 'b@example.com' }, 'x', { signal: controller.signal }),
    ).rejects.toBe(reason);
    expect(existsSync(out)).toBe(false);
  });
});

describe('files', () => {
  test('a message a file, and nothing half-written', async () => {
    const target = mkdtempSync(join(tmpdir(), 'postwire-'));
    const sender = fileSender(target);
    await Promise.all([sendMail(sender, draft), sendMail(sender, draft)]);
    expect(readdirSync(target).filter((name) => name.endsWith('.eml'))).toHaveLength(2);
    expect(readFileSync(sender.paths[0] as string, 'utf8')).toContain('Subject: x\r\n');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x');
      throw new Error('broke');
    }
    await expect(sender.send({ from: '', to: 'b@example.com' }, broken())).rejects.toThrow('broke');
    expect(readdirSync(target)).toHaveLength(2);
    await expect(sendMail(fileSender('/nowhere'), draft)).rejects.toMatchObject({ code: 'USAGE' });
  });
});
