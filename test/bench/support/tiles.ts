import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import sharp from 'sharp';
import type { Fractal } from '../../../cli/demo/fractal.js';
import { CACHE, slice } from '../../../cli/demo/render.js';
import { readDescriptor } from '../../../jobs/descriptor.js';
import { tileAt, tileCount, tileKey } from '../../../jobs/pyramid.js';
import type { ImageGeometry } from '../../../jobs/work-queue.js';
import { program } from '../../support/programs.js';

/** Pyramids in zoom.it's layout: `<id>.dzi` and `<id>_files/` in `folder`. */
export interface RealTiles {
  readonly folder: string;
  readonly images: readonly { readonly id: string; readonly geometry: ImageGeometry }[];
  /** Of all tiles, image by image. */
  readonly keys: readonly string[];
}

/** As zoom.it's images were: of a typical one's size, with 521 tiles. */
const IMAGES = 39;
const SIZE = { width: 4032, height: 6048 };
/** Painted so much smaller; grain as a camera's makes up for the detail, and brings tiles to some 13 kB. */
const SCALE = 3;
const GRAIN = 20;

/** Some 20,000 tiles rendered by libvips, a few minutes' work the first time, and kept where the demo keeps its own. */
export async function realTiles(): Promise<RealTiles> {
  const folder = join(CACHE, 'bench-1');
  const ids = Array.from({ length: IMAGES }, (_, number) => `b${number}`);
  if (!existsSync(folder)) await render(folder, ids);
  const images = await Promise.all(
    ids.map(async (id) => {
      const reading = readDescriptor(await readFile(join(folder, `${id}.dzi`)));
      if ('refusal' in reading) throw new Error(`${folder}/${id}.dzi: ${reading.refusal.detail}`);
      return { id, geometry: reading.geometry };
    }),
  );
  return { folder, images, keys: keysOf(images) };
}

/** The images as often as they are to be carried, each time by other ids, below a folder of links. */
export function manyTimes(
  { folder, images }: Pick<RealTiles, 'folder' | 'images'>,
  times: number,
  links: string,
): RealTiles['images'] {
  mkdirSync(links);
  return Array.from({ length: times }, (_, time) =>
    images.map(({ id, geometry }) => {
      for (const end of ['.dzi', '_files'])
        symlinkSync(join(folder, id + end), join(links, `${time}-${id}${end}`));
      return { id: `${time}-${id}`, geometry };
    }),
  ).flat();
}

/** Of all tiles, image by image. */
export function keysOf(images: RealTiles['images']): readonly string[] {
  return images.flatMap(({ id, geometry }) =>
    Array.from({ length: tileCount(geometry) }, (_, index) =>
      tileKey(id, tileAt(geometry, index), geometry.format),
    ),
  );
}

async function render(folder: string, ids: readonly string[]): Promise<void> {
  console.log(`rendering ${ids.length} images below ${folder}: only this once`);
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  const grain = { ...SIZE, channels: 3, background: '#000' } as const;
  const noise = await sharp({ create: { ...grain, noise: { type: 'gaussian', mean: 128, sigma: GRAIN } } })
    .raw()
    .toBuffer();
  const small = { width: SIZE.width / SCALE, height: SIZE.height / SCALE };
  for (const [number, id] of ids.entries()) {
    // Julia sets of a circle around the Mandelbrot set: each another picture.
    const angle = (2 * Math.PI * number) / ids.length;
    const julia = [0.7885 * Math.cos(angle), 0.7885 * Math.sin(angle)] as const;
    const pixels = await paint({ ...small, centre: [0, 0], span: 2, julia });
    const data = await sharp(pixels, { raw: { ...small, channels: 3 } })
      .resize(SIZE.width, SIZE.height)
      .composite([{ input: noise, raw: { ...SIZE, channels: 3 }, blend: 'overlay' }])
      .removeAlpha()
      .raw()
      .toBuffer();
    await slice({ data, ...SIZE }, join(unfinished, id));
  }
  await rename(unfinished, folder);
}

/** As the demo does, by the built file. */
function paint(fractal: Fractal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(program('cli/demo/fractal.js'), { workerData: fractal });
    worker.once('message', (pixels: ArrayBuffer) => resolve(new Uint8Array(pixels)));
    worker.once('error', reject);
  });
}
