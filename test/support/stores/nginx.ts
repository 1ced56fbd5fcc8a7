import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, type Ground } from '../../../agent/ground.js';
import type { Certificate } from '../certificates.js';
import { until } from '../until.js';

export interface NginxOptions {
  /** Name of its folders and its log. */
  readonly name?: string;
  /** Over TLS, as `https://localhost:PORT`. */
  readonly tls?: Certificate;
  /** What /dav/ asks for (basic authentication). */
  readonly login?: { readonly username: string; readonly password: string };
  /** Without: no PROPFIND, as in an nginx without its dav_ext module. */
  readonly lists?: boolean;
  /** Without: a PUT into a collection that is not there is 409. */
  readonly createsPaths?: boolean;
  /** Besides its own: names of files of Debian's nginx, without `.so`; each after those it needs. */
  readonly modules?: readonly string[];
  /** More lines for the `server` block. */
  readonly extra?: string;
}

export interface Nginx {
  /** `http://127.0.0.1:PORT`: the folder `root`, read only. */
  readonly url: string;
  /** The same folder, written by WebDAV. */
  readonly davUrl: string;
  readonly port: number;
  /** What it serves. */
  readonly root: string;
  readonly child: ChildProcess;
}

const MODULES = '/usr/lib/nginx/modules';

/** One nginx with one worker: an HTTP source and a WebDAV destination over one folder. Ends with the ground. */
export async function startNginx(ground: Ground, options: NginxOptions = {}): Promise<Nginx> {
  const { name = 'nginx', tls, login, lists = true, createsPaths = true } = options;
  const { modules = [], extra = '' } = options;
  const port = await freePort();
  const dir = join(ground.dir, name);
  const root = join(dir, 'root');
  // Bodies are moved from here to their names: on the same file system that is a rename.
  const incoming = join(dir, 'incoming');
  for (const folder of [root, incoming]) mkdirSync(folder, { recursive: true });
  let asks = '';
  if (login !== undefined) {
    writeFileSync(join(dir, 'users'), `${login.username}:{PLAIN}${login.password}\n`);
    asks = `auth_basic "convoy"; auth_basic_user_file ${join(dir, 'users')};`;
  }
  const dav = `dav_methods PUT DELETE MKCOL; ${lists ? 'dav_ext_methods PROPFIND OPTIONS;' : ''}
    create_full_put_path ${createsPaths ? 'on' : 'off'}; client_body_temp_path ${incoming};
    client_max_body_size 0; client_body_buffer_size 256k; dav_access user:rw group:r all:r; ${asks}`;
  const listen =
    tls === undefined
      ? `listen 127.0.0.1:${port};`
      : `listen 127.0.0.1:${port} ssl; ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`;
  const config = join(dir, 'nginx.conf');
  writeFileSync(
    config,
    `${[...(lists ? ['ngx_http_dav_ext_module'] : []), ...modules].map((file) => `load_module ${MODULES}/${file}.so;`).join('\n')}
daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log; worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 10000000; default_type application/octet-stream;
  types { image/jpeg jpg; application/xml dzi; text/html html; }
  server {
    ${listen} root ${root}; ${extra}
    location /dav/ { alias ${root}/; ${dav} }
  }
}`,
  );
  const child = ground.spawn(name, 'nginx', ['-c', config, '-p', dir, '-e', `${dir}/error.log`]);
  const url = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  await until('nginx to answer', () => {
    if (child.exitCode !== null)
      throw new Error(`nginx ended: ${readFileSync(join(dir, 'error.log'), 'utf8')}`);
    return accepts(port);
  });
  return { url, davUrl: `${url}/dav`, port, root, child };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
