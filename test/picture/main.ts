/**
 * `npm run picture`: docs/dashboard-*.svg from a real run. Three machines carry a migration by the shipped units; zh-stats
 * runs on a terminal, and what is on it half-way is drawn, on dark and on light ground.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openGround, startEtcd } from '../../agent/ground.js';
import { progressOf } from '../../jobs/progress.js';
import { carryingFleet, someUnits } from '../support/carrying-fleet.js';
import { program, ROOT } from '../support/programs.js';
import { readStyledScreen } from '../support/styled-screen.js';
import type { Fault } from '../support/tile-source.js';
import { startTerminal } from '../support/tmux.js';
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

const ground = openGround('convoy-picture');
try {
  const etcd = await startEtcd(ground);
  const cargo = { migration: MIGRATION, images: IMAGES, tilesEach: 1000, importers: 4, rps: 60 };
  const fleet = await carryingFleet(ground, { etcd: etcd.url, machines: 3, cargo, fault });
  try {
    await someUnits(fleet);
    const terminal = await startTerminal(ground, {
      ...{ name: 'zh-stats', columns: COLUMNS, rows: ROWS },
      command: [process.execPath, program('cli/stats-main.js')],
      env: { REDIS_URL: fleet.redisUrl, CONVOY_API: fleet.machines[0]?.endpoint ?? '' },
    });
    const status = async () =>
      (await fleet.queue.status(MIGRATION)) ?? Promise.reject(new Error('it is gone'));
    await until('half-way', async () => (progressOf(await status()).share ?? 0) > SHARE, 300_000);

    const draw = async (name: string, title: string): Promise<void> => {
      const screen = readStyledScreen(await terminal.captureStyled());
      for (const [look, theme] of Object.entries({ dark: DARK, light: LIGHT })) {
        const file = join('docs', `dashboard-${name}-${look}.svg`);
        writeFileSync(join(ROOT, file), svgOf(screen, title, theme));
        console.log(file);
      }
    };
    await draw('migration', 'zh-stats: a migration under way');
    await terminal.sendKeys('2');
    await terminal.untilScreen('the fleet', (lines) => lines.some((line) => line.includes('mailer.service')));
    await draw('fleet', 'convoyctl top: a fleet and its events');
    await terminal.sendKeys('q');
    await terminal.exit();
  } finally {
    await fleet.close();
  }
} finally {
  await ground.close();
}
