import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { expect, test } from 'vitest';
import { ROOT } from '../../support/programs.js';

interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly originalName: string;
  requestSerialize(message: object): Buffer;
  requestDeserialize(bytes: Buffer): object;
  responseSerialize(message: object): Buffer;
  responseDeserialize(bytes: Buffer): object;
}
type Load = (file: string, options: object) => Record<string, Record<string, Method>>;

/** As etcd3 calls it. */
const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const SERVICES = ['Auth', 'KV', 'Lease', 'Watch'].map((name) => `etcdserverpb.${name}`);

const require = createRequire(import.meta.url);
const etcd3 = require.resolve('etcd3');

/** What the built programs have in the place of @grpc/proto-loader. */
async function built(): Promise<Load> {
  const { etcdProtos } = (await import(join(ROOT, 'etcd-protos.js'))) as { etcdProtos: Plugin };
  const { outputFiles } = await build({
    stdin: {
      contents: 'export { loadSync } from "@grpc/proto-loader"',
      ...{ sourcefile: join(dirname(etcd3), 'stand-in.js'), resolveDir: dirname(etcd3) },
    },
    ...{ bundle: true, write: false, platform: 'node', format: 'cjs', plugins: [etcdProtos] },
  });
  const module = { exports: {} as { loadSync: Load } };
  new Function('module', 'exports', 'require', outputFiles[0]!.text)(module, module.exports, require);
  return module.exports.loadSync;
}

function original(): Load {
  return (createRequire(etcd3)('@grpc/proto-loader') as { loadSync: Load }).loadSync;
}

/** A request and an answer of each method that is called, as they are on the wire. */
const SAMPLES: Readonly<Record<string, readonly [request: object, answer: object]>> = {
  'KV.Range': [
    {
      key: Buffer.from('a'),
      range_end: Buffer.from('b'),
      limit: 7,
      revision: '9007199254740993',
      sort_order: 'DESCEND',
    },
    {
      header: { cluster_id: '18446744073709551615', revision: '12', raft_term: '3' },
      kvs: [
        {
          key: Buffer.from('a'),
          value: Buffer.from([0, 255]),
          lease: '7587881234567890123',
          mod_revision: '5',
        },
        { key: Buffer.from('numbers'), ...{ version: '1', mod_revision: '127', create_revision: '128' } },
        { version: `${2 ** 49 - 1}`, mod_revision: `${2 ** 49}`, create_revision: '9007199254740993' },
        { version: '-1', mod_revision: '9223372036854775807', lease: '-9223372036854775808' },
        {},
      ],
      more: true,
      count: '1',
    },
  ],
  'KV.Txn': [
    {
      compare: [{ result: 'EQUAL', target: 'MOD', key: Buffer.from('a'), mod_revision: '5' }],
      success: [{ request_put: { key: Buffer.from('a'), value: Buffer.from('x'), lease: '1' } }],
      failure: [
        { request_range: { key: Buffer.from('a') } },
        { request_delete_range: { key: Buffer.from('b') } },
      ],
    },
    {
      header: { revision: '6' },
      succeeded: true,
      responses: [{ response_put: { header: { revision: '6' } } }],
    },
  ],
  'Lease.LeaseGrant': [{ TTL: '10' }, { ID: '7587881234567890123', TTL: '10' }],
  'Lease.LeaseKeepAlive': [{ ID: '7587881234567890123' }, { ID: '7587881234567890123', TTL: '10' }],
  'Watch.Watch': [
    { create_request: { key: Buffer.from('a'), start_revision: '5', fragment: true, filters: ['NOPUT'] } },
    {
      watch_id: '1',
      created: true,
      events: [{ type: 'DELETE', kv: { key: Buffer.from('a'), mod_revision: '6' } }],
    },
  ],
  'Auth.Authenticate': [{ name: 'n', password: 'p' }, { token: 't' }],
};

test('etcd’s protocol in the built programs is that of its .proto files', async () => {
  const [ours, theirs] = [
    (await built())('', OPTIONS),
    original()(join(dirname(etcd3), '../proto/rpc.proto'), OPTIONS),
  ];
  expect(Object.keys(ours).sort()).toEqual([...SERVICES].sort());
  for (const service of SERVICES) {
    expect(Object.keys(ours[service]!).sort()).toEqual(Object.keys(theirs[service]!).sort());
    for (const [name, method] of Object.entries(ours[service]!)) {
      const { path, requestStream, responseStream, originalName } = theirs[service]![name]!;
      expect(method).toMatchObject({ path, requestStream, responseStream, originalName });
    }
  }
  for (const [called, [request, answer]] of Object.entries(SAMPLES)) {
    const [service = '', name = ''] = called.split('.');
    const [one, other] = [ours, theirs].map((all) => all[`etcdserverpb.${service}`]![name]!) as [
      Method,
      Method,
    ];
    const asked = other.requestSerialize(request);
    const answered = other.responseSerialize(answer);
    expect(asked.length).toBeGreaterThan(0);
    expect(one.requestSerialize(request)).toEqual(asked);
    expect(one.requestDeserialize(asked)).toEqual(other.requestDeserialize(asked));
    expect(one.responseSerialize(answer)).toEqual(answered);
    expect(one.responseDeserialize(answered)).toEqual(other.responseDeserialize(answered));
  }
});
