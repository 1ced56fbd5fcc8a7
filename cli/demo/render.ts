import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { permanent } from '../../runtime/errors.js';
import { ownFile } from '../../runtime/own-file.js';
import type { Fractal } from './fractal.js';

/** The demo's input: ids as zoom.it had them, and what is to be seen. One is far from square. */
export const FRACTALS: readonly (Fractal & { readonly id: string })[] = [
  { id: '8xWc', width: 6000, height: 5200, centre: [-0.745_6, 0.112_9], span: 0.011, julia: null },
  { id: 'Fj2', width: 5600, height: 6400, centre: [0, 0], span: 1.5, julia: [-0.8, 0.156] },
  { id: 'mNq7', width: 9000, height: 2600, centre: [0.2855, 0.0105], span: 0.016, julia: null },
];

/** Where rendered images are kept between runs. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'convoy-demo');

/** Changes whenever what is rendered changes, so that no stale cache is taken. */
const VERSION = 1;

/**
 * The folder that holds the pyramids of all `FRACTALS` in zoom.it's layout: `<id>.dzi`,
 * `<id>_files/<level>/<column>_<row>.jpg`, `total.txt`. Renders what the cache lacks.
 */
export async function renderInput(say: (line: string) => void): Promise<string> {
  const folder = join(CACHE, `pyramids-${VERSION}`);
  const ready = await readFile(join(folder, 'total.txt')).catch(() => null);
  if (ready !== null) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  try {
    const waiting = [...FRACTALS];
    await Promise.all(
      Array.from({ length: Math.min(waiting.length, availableParallelism()) }, async () => {
        for (let fractal = waiting.shift(); fractal; fractal = waiting.shift()) {
          say(`rendering ${fractal.id}: ${fractal.width} x ${fractal.height} px`);
          const image = { data: await paint(fractal), width: fractal.width, height: fractal.height };
          await slice(image, join(unfinished, fractal.id));
        }
      }),
    );
    const lines = FRACTALS.map(({ id }, index) => `${id}:${(FRACTALS.length - index) * 1000}\n`);
    await writeFile(join(unfinished, 'total.txt'), lines.join(''));
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return folder;
}

/** One image's pixels, three bytes each, computed in a thread so that two cores work at once. */
function paint(fractal: Fractal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(ownFile('cli/demo/fractal.js'), { workerData: fractal });
    worker.once('message', (pixels: ArrayBuffer) => resolve(new Uint8Array(pixels)));
    worker.once('error', reject);
  });
}

/** Row by row, three bytes each. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * Cuts an image into a Deep Zoom pyramid at `<base>.dzi` and `<base>_files`. libvips names things its own way
 * (`x.dzi.dzi`, `.jpeg`, a properties file), so the result is renamed to what zoom.it served.
 */
export async function slice({ data, width, height }: Pixels, base: string): Promise<void> {
  const { default: sharp } = await import('sharp').catch((cause: unknown) => {
    throw permanent('the demo renders its images with sharp, which npm could not install here', { cause });
  });
  await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .jpeg({ quality: 80 })
    .tile({ layout: 'dz', size: 254, overlap: 1 })
    .toFile(`${base}.tmp`);
  await rename(`${base}.tmp_files`, `${base}_files`);
  await rm(join(`${base}_files`, 'vips-properties.xml'), { force: true });
  for (const level of await readdir(`${base}_files`)) {
    const folder = join(`${base}_files`, level);
    for (const tile of await readdir(folder))
      await rename(join(folder, tile), join(folder, tile.replace(/\.jpeg$/, '.jpg')));
  }
  await rm(`${base}.tmp.dzi`, { force: true });
  await writeFile(
    `${base}.dzi`,
    `<?xml version="1.0" encoding="utf-8"?>\n` +
      `<Image TileSize="254" Overlap="1" Format="jpg" xmlns="http://schemas.microsoft.com/deepzoom/2009">` +
      `<Size Width="${width}" Height="${height}"/></Image>\n`,
  );
}
