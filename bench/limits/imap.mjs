// A bare socket that speaks just enough IMAP: `drain` looks at nothing but the end, `lean` splits responses and literals into nested arrays.
import { connect } from 'node:net';

/** Logs in; `ask` sends a command and resolves when its tagged answer is there. */
export function open(port, user = 'user', password = 'pass') {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', reject);
    let number = 0;
    let tail = '';
    let wanted = '* OK';
    let finish = () => {};
    const session = {
      socket,
      bytes: 0,
      onChunk: undefined,
      nextTag: () => `T${++number}`,
      ask: (command) =>
        new Promise((done) => {
          const tag = session.nextTag();
          session.expect(tag, done);
          socket.write(`${tag} ${command}\r\n`, 'latin1');
        }),
      expect(tag, done) {
        tail = '';
        wanted = `${tag} `;
        finish = done;
      },
      close: () => socket.destroy(),
    };
    socket.on('data', (chunk) => {
      session.bytes += chunk.length;
      if (session.onChunk !== undefined) {
        session.onChunk(chunk);
        return;
      }
      tail = (tail + chunk.latin1Slice(Math.max(0, chunk.length - 1500))).slice(-3000);
      if (wanted === undefined || !tail.includes(wanted)) return;
      wanted = undefined;
      finish(tail);
    });
    finish = () => {
      void session.ask(`LOGIN ${user} ${password}`).then(() => resolve(session));
    };
  });
}

/** Sends a command and hands each response over as its lines and literals. No byte is looked at alone. */
export function lean(session, command, onResponse) {
  return new Promise((resolve) => {
    const tag = session.nextTag();
    let kept;
    let lines = [];
    let literals = [];
    let need = 0;
    let pieces;
    let length = 0;
    session.onChunk = (chunk) => {
      const data = kept === undefined ? chunk : Buffer.concat([kept, chunk]);
      kept = undefined;
      let at = 0;
      for (;;) {
        if (need > 0) {
          const take = Math.min(need, data.length - at);
          pieces.push(data.subarray(at, at + take));
          need -= take;
          at += take;
          if (need > 0) return;
          literals.push(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, length));
        }
        const end = data.indexOf(10, at);
        if (end < 0) {
          if (at < data.length) kept = data.subarray(at);
          return;
        }
        const line = data.latin1Slice(at, end - 1);
        at = end + 1;
        lines.push(line);
        if (line.charCodeAt(line.length - 1) === 125) {
          const size = Number(line.slice(line.lastIndexOf('{') + 1, -1));
          if (size > 0) {
            need = length = size;
            pieces = [];
            continue;
          }
        }
        if (lines.length === 1 && line.startsWith(`${tag} `)) {
          session.onChunk = undefined;
          resolve(line);
          return;
        }
        onResponse(lines, literals);
        lines = [];
        literals = [];
      }
    };
    session.socket.write(`${tag} ${command}\r\n`);
  });
}

/** The list of a FETCH response as nested arrays. */
export function nested(lines, literals) {
  let index = 0;
  let text = lines[0];
  let at = text.indexOf('(');
  let literal = 0;
  const stack = [];
  let current;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 32) at++;
    else if (code === 40) {
      const list = [];
      if (current !== undefined) {
        current.push(list);
        stack.push(current);
      }
      current = list;
      at++;
    } else if (code === 41) {
      at++;
      if (stack.length === 0) return current;
      current = stack.pop();
    } else if (code === 34) {
      let end = at + 1;
      while (text.charCodeAt(end) !== 34) end += text.charCodeAt(end) === 92 ? 2 : 1;
      current.push(text.slice(at + 1, end));
      at = end + 1;
    } else if (code === 123) {
      current.push(literals[literal++]);
      text = lines[++index];
      at = 0;
    } else {
      let end = at + 1;
      for (; end < text.length; end++) {
        const each = text.charCodeAt(end);
        if (each === 32 || each === 41 || each === 40) break;
      }
      const atom = text.slice(at, end);
      current.push(atom === 'NIL' ? null : atom);
      at = end;
    }
  }
}
