export interface TerminalEvents {
  /** Nobody sees it any more, or whoever sat there wants the terminal for something else. */
  readonly gone: () => void;
  readonly broken: (error: unknown) => void;
  /** The process ends without having been asked to wait. */
  readonly exit: () => void;
}

/**
 * Hears what becomes of this process's terminal while it is drawn upon: of one that hangs up, reading ends or fails with
 * EIO; Ctrl-Z elsewhere (SIGTSTP) would leave it drawn upon and without echo. Answers how to hear no more.
 */
export function watchTerminal(
  { gone, broken, exit }: TerminalEvents,
  of: NodeJS.Process = process,
): () => void {
  const { stdin, stdout } = of;
  const failed = (error: NodeJS.ErrnoException): void =>
    ['EIO', 'EPIPE', 'ENXIO', 'ENOTTY', 'EBADF'].includes(error.code ?? '') ? gone() : broken(error);
  stdin.on('error', failed);
  stdin.on('end', gone);
  stdin.on('close', gone);
  stdout.on('error', failed);
  of.on('SIGTSTP', gone);
  of.on('uncaughtException', broken);
  of.on('exit', exit);
  return () => {
    stdin.off('error', failed);
    stdin.off('end', gone);
    stdin.off('close', gone);
    stdout.off('error', failed);
    of.off('SIGTSTP', gone);
    of.off('uncaughtException', broken);
    of.off('exit', exit);
  };
}
