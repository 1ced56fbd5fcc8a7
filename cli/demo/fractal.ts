import { parentPort, workerData } from 'node:worker_threads';

/** A view of the Mandelbrot set, or of the Julia set of `julia`. `span` is the width of the view in the plane. */
export interface Fractal {
  readonly width: number;
  readonly height: number;
  readonly centre: readonly [number, number];
  readonly span: number;
  readonly julia: readonly [number, number] | null;
}

const MOST_STEPS = 240;

/** Escape-time colouring: pixels row by row, three bytes each. */
function paint({ width, height, centre, span, julia }: Fractal): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  const step = span / width;
  for (let row = 0, at = 0; row < height; row += 1) {
    const y0 = centre[1] + (row - height / 2) * step;
    for (let column = 0; column < width; column += 1, at += 3) {
      const x0 = centre[0] + (column - width / 2) * step;
      const steps = escapeTime(x0, y0, julia?.[0] ?? x0, julia?.[1] ?? y0);
      if (steps >= MOST_STEPS) continue;
      const turn = 0.35 * Math.sqrt(steps);
      pixels[at] = 128 + 120 * Math.sin(turn * 2.1 + 5.2);
      pixels[at + 1] = 128 + 110 * Math.sin(turn * 2.4 + 4.6);
      pixels[at + 2] = 150 + 100 * Math.sin(turn * 2.9 + 3.4);
    }
  }
  return pixels;
}

/** Steps until z leaves the circle of radius 4, with the fraction that makes the colours flow. */
function escapeTime(x0: number, y0: number, cx: number, cy: number): number {
  let x = x0;
  let y = y0;
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const xx = x * x;
    const yy = y * y;
    if (xx + yy > 16) return steps + 1 - Math.log2(Math.log2(xx + yy) / 2);
    y = 2 * x * y + cy;
    x = xx - yy + cx;
  }
  return MOST_STEPS;
}

const pixels = paint(workerData as Fractal);
parentPort?.postMessage(pixels.buffer, [pixels.buffer as ArrayBuffer]);
