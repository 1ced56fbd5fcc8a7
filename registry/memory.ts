import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { messageOf, permanent } from '../runtime/errors.js';
import type { RegistryMemory } from './registry.js';

const seenFile = v.object({ clusterId: v.string(), revision: v.number(), hold: v.optional(v.string()) });
const leaseFile = v.object({ leaseId: v.nullable(v.string()) });

/**
 * What a machine remembers, in two small files: `registry.json` in the state directory (survives a reboot) and
 * `lease.json` in the run directory (gone with it). Written whole or not at all.
 */
export function fileMemory(stateDir: string, runDir: string): RegistryMemory {
  const seenPath = join(stateDir, 'registry.json');
  const leasePath = join(runDir, 'lease.json');
  return {
    async readSeen() {
      const seen = await read(seenPath, seenFile);
      if (seen === null) return null;
      const { clusterId, revision, hold } = seen;
      return { clusterId, revision, ...(hold === undefined ? {} : { hold }) };
    },
    writeSeen: (seen) => write(seenPath, seen),
    readLease: async () => (await read(leasePath, leaseFile))?.leaseId ?? null,
    writeLease: (leaseId) => write(leasePath, { leaseId }),
  };
}

/** null if the file does not exist. What cannot be read is an error: acting as if nothing was seen is not safe. */
async function read<Schema extends v.GenericSchema>(
  path: string,
  schema: Schema,
): Promise<v.InferOutput<Schema> | null> {
  try {
    return v.parse(schema, JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw permanent(`${path} cannot be read (${messageOf(error)}): repair it, or remove it to forget`, {
      cause: error,
    });
  }
}

async function write(path: string, record: object): Promise<void> {
  const part = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(part, 'w', 0o600).catch(async (error) => {
    if (error.code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true });
    return open(part, 'w', 0o600);
  });
  try {
    await file.writeFile(`${JSON.stringify(record)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
}
