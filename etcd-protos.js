// For build.js: etcd's protocol in the programs. etcd3 has it read from .proto files, described again as descriptors that nobody asks for,
// and compiled, each time it is loaded, which is a fifth of convoyd's start. Here it is read at build time, and what a call
// needs is made at the first such call.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const require = createRequire(import.meta.url);
const loader = require.resolve('@grpc/proto-loader', { paths: [require.resolve('etcd3')] });
/** Of etcd's services those that are called. */
const SERVICES = ['Auth', 'KV', 'Lease', 'Watch'];

/** Gives etcd3, and nobody else, our `loadSync` for that of @grpc/proto-loader. */
export const etcdProtos = {
  name: 'etcd-protos',
  setup(build) {
    const namespace = 'etcd-protos';
    build.onResolve({ filter: /^@grpc\/proto-loader$/ }, ({ importer }) =>
      importer.includes('/node_modules/etcd3/') ? { path: namespace, namespace } : undefined,
    );
    build.onLoad({ filter: /^/, namespace }, () => ({
      contents: `import protobuf from 'protobufjs/light.js';
        const root = protobuf.Root.fromJSON(${JSON.stringify(readProtos())});
        ${readKeysDirectly}
        readKeysDirectly(root);
        export const loadSync = ${servicesOf}(root, ${JSON.stringify(SERVICES)});`,
      resolveDir: dirname(loader),
    }));
  },
};

/**
 * Runs in the programs. A list of a thousand units is 3,000 keys, each with four numbers of 64 bits, which protobufjs makes
 * objects of, and then strings: here a key is read into what it is for etcd3 at once.
 */
function readKeysDirectly(root) {
  const type = root.lookupType('mvccpb.KeyValue');
  const none = Buffer.alloc(0);

  /** Of seven bits a byte, the lowest first: 49 bits as a number, and what is beyond. */
  function decimal(reader) {
    const { buf } = reader;
    let [at, low, high, byte] = [reader.pos, 0, 0, 128];
    for (let scale = 1; byte >= 128 && scale < 2 ** 49; scale *= 128) {
      byte = buf[at++];
      low += (byte & 127) * scale;
    }
    for (let scale = 1; byte >= 128; scale *= 128) {
      byte = buf[at++];
      high += (byte & 127) * scale;
    }
    reader.pos = at;
    return high === 0 ? String(low) : String(BigInt.asIntN(64, (BigInt(high) << 49n) | BigInt(low)));
  }

  type.decode = (reader, length) => {
    const end = reader.pos + length;
    let [key, value, created, modified, version, lease] = [none, none, '0', '0', '0', '0'];
    while (reader.pos < end) {
      const tag = reader.uint32();
      if (tag === 10) key = reader.bytes();
      else if (tag === 16) created = decimal(reader);
      else if (tag === 24) modified = decimal(reader);
      else if (tag === 32) version = decimal(reader);
      else if (tag === 42) value = reader.bytes();
      else if (tag === 48) lease = decimal(reader);
      else reader.skipType(tag & 7);
    }
    return { key, create_revision: created, mod_revision: modified, version, value, lease };
  };
  type.toObject = (read) => read;
}

/** Runs in the programs. As @grpc/proto-loader does: services by name, with how to write and read their messages. */
function servicesOf(root, services) {
  function coder(name, options) {
    let found;
    const type = () => (found ??= root.lookupType(`etcdserverpb.${name}`));
    return {
      serialize: (value) => type().encode(type().fromObject(value)).finish(),
      deserialize: (bytes) => type().toObject(type().decode(bytes), options),
    };
  }
  function methodOf(path, options, { name, requestType, requestStream, responseType, responseStream }) {
    const [request, response] = [coder(requestType, options), coder(responseType, options)];
    return {
      path: `/${path}/${name}`,
      requestStream: requestStream === true,
      responseStream: responseStream === true,
      requestSerialize: request.serialize,
      requestDeserialize: request.deserialize,
      responseSerialize: response.serialize,
      responseDeserialize: response.deserialize,
      originalName: name.charAt(0).toLowerCase() + name.slice(1),
    };
  }
  return (_, options) =>
    Object.fromEntries(
      services.map((service) => {
        const path = `etcdserverpb.${service}`;
        const methods = root
          .lookupService(path)
          .methodsArray.map((method) => [method.name, methodOf(path, options, method)]);
        return [path, Object.fromEntries(methods)];
      }),
    );
}

/** Those services and the types they reach, as JSON of protobufjs. */
function readProtos() {
  const { loadProtosWithOptionsSync } = require(`${dirname(loader)}/util.js`);
  const root = loadProtosWithOptionsSync(require.resolve('etcd3/proto/rpc.proto'), { keepCase: true });
  const kept = new Set();
  const keep = (object) => {
    if (kept.has(object)) return;
    kept.add(object);
    for (const method of object.methodsArray ?? []) {
      keep(method.resolvedRequestType);
      keep(method.resolvedResponseType);
    }
    for (const { resolvedType } of object.fieldsArray ?? []) if (resolvedType !== null) keep(resolvedType);
    if (object.parent !== null) keep(object.parent);
  };
  for (const service of SERVICES) keep(root.lookupService(`etcdserverpb.${service}`));
  const json = root.toJSON();
  for (const [name, { nested }] of Object.entries(json.nested))
    for (const type of Object.keys(nested))
      if (!kept.has(root.lookup(`${name}.${type}`))) delete nested[type];
  return json;
}
