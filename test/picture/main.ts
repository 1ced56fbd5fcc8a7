/**
 * `npm run picture`: docs/dashboard-*.svg from a real run. Three machines carry a migration by the shipped units; zh-stats
 * and convoyctl top run on terminals, and what is on them is drawn, on dark and on light ground.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openGround, startEtcd } from '../../agent/ground.js';
import { progressOf } from '../../jobs/progress.js';
import type { MigrationStatus } from '../../jobs/work-queue.js';
import { carryingFleet, someUnits } from '../support/carrying-fleet.js';
import type { TestMachine } from '../support/fleet.js';
import { program, ROOT } from '../support/programs.js';
import { startNginx } from '../support/stores/nginx.js';
import { readStyledScreen } from '../support/styled-screen.js';
import type { Fault } from '../support/tile-source.js';
import { startTerminal, type Terminal } from '../support/tmux.js';
import { until } from '../support/until.js';
import { DARK, LIGHT, svgOf } from './svg.js';

const MIGRATION = 'zoomit';
const IMAGES = Array.from({ length: 24 }, (_, at) => ((at + 1) * 48_271).toString(36));
const [COLUMNS, ROWS] = [132, 42];
/** Long enough for the charts to have a shape. */
const SHARE = 0.45;

/** A source as there are: some tiles are absent, some take their time. */
function fault(key: string): Fault | null {
  if (key.endsWith('.dzi')) return null;
  const weight = Buffer.from(key).reduce((sum, byte) => (sum * 31 + byte) % 9973, 7);
  if (weight < 12) return { kind: 'status', status: 404 };
  return weight < 900 ? { kind: 'slow', ms: 20 + weight / 3 } : null;
}

/** What whoever looks at the pictures is told they show. */
const TITLES = {
  migration: 'zh-stats: a migration under way, with its rates, states, workers and newest failures',
  fleet: 'convoyctl top: machines and units of a fleet, what is pending and why, and what happens',
};

function draw(name: keyof typeof TITLES, screen: readonly string[]): void {
  for (const [look, theme] of Object.entries({ dark: DARK, light: LIGHT })) {
    const file = join('docs', `dashboard-${name}-${look}.svg`);
    writeFileSync(join(ROOT, file), svgOf(readStyledScreen(screen), TITLES[name], theme));
    console.log(file);
  }
}

const ground = openGround('convoy-picture');
try {
  const etcd = await startEtcd(ground);
  const destination = `webdav+${(await startNginx(ground)).davUrl}/tiles`;
  const cargo = { migration: MIGRATION, images: IMAGES, tilesEach: 1000, importers: 4, rps: 60 };
  const fleet = await carryingFleet(ground, { etcd: etcd.url, machines: 3, cargo, fault, destination });
  try {
    const [first] = fleet.machines as [TestMachine];
    const open = (name: string, ...command: readonly string[]): Promise<Terminal> =>
      startTerminal(ground, {
        ...{ name, columns: COLUMNS, rows: ROWS, command: [process.execPath, ...command] },
        env: { REDIS_URL: fleet.redisUrl, CONVOY_API: first.endpoint, CONVOY_ENDPOINT: first.endpoint },
      });
    const migration = await open('zh-stats', program('cli/stats-main.js'));
    const top = await open('top', program('cli/main.js'), 'top');
    // Machines with their load, and not an event yet.
    await top.untilScreen('the fleet', (lines) => lines.some((line) => /ready.* \d+\.\d\d /.test(line)));
    await someUnits(fleet);
    await top.untilScreen('their events', (lines) => lines.some((line) => /lack gpu=yes/.test(line)));
    draw('fleet', await top.captureStyled());
    await until('half-way', async () => shareOf(await fleet.queue.status(MIGRATION)) > SHARE, 300_000);
    draw('migration', await migration.captureStyled());
    for (const terminal of [top, migration]) {
      await terminal.sendKeys('q');
      await terminal.exit();
    }
  } finally {
    await fleet.close();
  }
} finally {
  await ground.close();
}

function shareOf(status: MigrationStatus | null): number {
  return (status && progressOf(status).share) ?? 0;
}
