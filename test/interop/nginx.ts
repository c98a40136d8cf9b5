import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { largeFile } from '../suites/http.ts';
import { freePort, stop, untilListening } from './process.ts';

/** nginx in a temporary folder, with the paths of the HTTP suite; stopped by its pid. */
export async function startNginx(): Promise<{ url: string; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'postwire-nginx-'));
  const port = await freePort();
  const root = join(folder, 'root');
  mkdirSync(root);
  writeFileSync(join(root, 'hello'), 'hello');
  writeFileSync(join(root, 'gzip'), 'hello');
  writeFileSync(join(root, 'large'), largeFile);
  // A page with includes has no length beforehand.
  writeFileSync(join(root, 'chunked'), 'one <!--# include virtual="/two" -->three');
  writeFileSync(join(root, 'two'), 'two ');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 200; }
http {
  access_log off; default_type text/plain; absolute_redirect off;
  client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
  uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
  server {
    listen 127.0.0.1:${port}; root ${root};
    location = /redirect { return 302 /hello; }
    location = /gzip { gzip on; gzip_min_length 1; gzip_types text/plain; }
    location = /chunked { ssi on; ssi_types text/plain; }
  }
}
`,
  );
  const child = spawn(
    '/usr/sbin/nginx',
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    {
      stdio: 'ignore',
    },
  );
  await untilListening(port);
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      await stop(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
