import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { UsageError } from '../runtime/errors.js';

/** The machine's id: `/etc/machine-id`, as systemd and fleet have it. */
export function readMachineId(): string {
  const id = readText('/etc/machine-id')?.trim();
  if (!id)
    throw new UsageError(
      '/etc/machine-id is missing or empty: give --machine-id, or run systemd-machine-id-setup',
    );
  return parseMachineId(id);
}

/** 32 hex digits. */
export function parseMachineId(text: string): string {
  if (!/^[0-9a-f]{32}$/.test(text)) throw new Error('expected a machine id of 32 hexadecimal digits');
  return text;
}

/** Changes with every boot. */
export function readBootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown';
}

/** The first IPv4 address of the interface that has the default route, as fleet chose it; loopback without one. */
export function readPublicIp(): string {
  const defaultRoute = (readText('/proc/net/route') ?? '')
    .split('\n')
    .map((line) => line.split('\t'))
    .find(([, destination, , flags]) => destination === '00000000' && Number.parseInt(flags ?? '0', 16) & 1);
  const addresses = networkInterfaces()[defaultRoute?.[0] ?? ''] ?? [];
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** `az=a,rack=7` -> `{ az: 'a', rack: '7' }`; white space and quotes around parts are dropped, the last of a key wins. */
export function parseMetadata(text: string): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const part of text.split(',').map((piece) => piece.trim().replace(/^"(.*)"$/, '$1'))) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const key = part.slice(0, at).trim();
    const value = part.slice(at + 1).trim();
    if (at < 1 || key === '' || value === '')
      throw new Error('expected key=value pairs, separated by commas');
    metadata[key] = value;
  }
  return metadata;
}

/** `undefined` where there is no such file. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
