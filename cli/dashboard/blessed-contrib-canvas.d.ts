/** blessed-contrib 4.11.0, the one widget that is used of it: lines of dots, 2 x 4 to a cell. Its own types fail strict. */
declare module 'blessed-contrib/lib/widget/canvas.js' {
  import type { Widgets } from 'blessed';

  export interface Canvas extends Widgets.BoxElement {
    /** Sets `canvasSize`, in dots: an even width, a height that 4 divides. Called on `attach`, which makes it blank. */
    calcSize: () => void;
    canvasSize: { readonly width: number; readonly height: number };
    readonly ctx: {
      strokeStyle: number | 'normal';
      fillStyle: number | 'normal';
      beginPath(): void;
      moveTo(x: number, y: number): void;
      lineTo(x: number, y: number): void;
      stroke(): void;
      fillText(text: string, x: number, y: number): void;
    };
  }
  export default function canvas(options: object): Canvas;
}
