/** The operator's side of etcd's users, over its JSON gateway. */
export function etcdUsers(url: string) {
  let token = '';
  let isEnabled = false;

  async function post(path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await fetch(`${url}/v3/auth/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: token === '' ? {} : { authorization: token },
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** Tokens run out: each task takes a new one. */
  async function enter(): Promise<void> {
    token = '';
    if (isEnabled) token = String((await post('authenticate', { name: 'root', password: 'root' })).token);
  }

  return {
    /** A user that may read and write what starts with `prefix`, and nothing else. */
    async addUser(name: string, password: string, prefix: string): Promise<void> {
      await enter();
      const bytes = Buffer.from(prefix);
      const key = bytes.toString('base64');
      bytes[bytes.length - 1]! += 1;
      const perm = { permType: 'READWRITE', key, range_end: bytes.toString('base64') };
      await post('user/add', { name, password });
      await post('role/add', { name: `${name}-role` });
      await post('role/grant', { name: `${name}-role`, perm });
      await post('user/grant', { user: name, role: `${name}-role` });
    },
    /** From now on etcd asks everybody who they are. */
    async enable(): Promise<void> {
      await post('user/add', { name: 'root', password: 'root' });
      await post('role/add', { name: 'root' });
      await post('user/grant', { user: 'root', role: 'root' });
      await post('enable', {});
      isEnabled = true;
    },
  };
}
