import type { Word } from './words.js';

/** One command of an Exec line: specifiers are expanded, variables not yet. */
export interface Command {
  /** The program: an absolute path, or a name to look for on PATH. */
  readonly program: string;
  /** argv[0], when `@` gives one of its own. */
  readonly argv0: string | null;
  readonly args: readonly string[];
  /** `-`: a failure counts as success. */
  readonly mayFail: boolean;
  /** `:` turns it off. */
  readonly expandVariables: boolean;
  /** `+`: runs as the supervisor does, whatever User= and Group= say. */
  readonly fullPrivileges: boolean;
}

/**
 * The commands of one Exec line's words, separated by a plain `;`. `expand` is applied to each word. Throws an
 * Error that says what is wrong.
 */
export function parseCommands(words: readonly Word[], expand: (text: string) => string): Command[] {
  const commands: Command[] = [];
  let current: Word[] = [];
  for (const word of [...words, { text: ';', plain: true }]) {
    if (word.text !== ';' || !word.plain) current.push(word);
    else {
      if (current.length > 0)
        commands.push(
          parseCommand(
            current.map(({ text }) => text),
            expand,
          ),
        );
      current = [];
    }
  }
  return commands;
}

function parseCommand(words: readonly string[], expand: (text: string) => string): Command {
  const [, prefixes = '', bare = ''] = /^([-@:+!|]*)(.*)$/s.exec(words[0] ?? '') ?? [];
  const unsupported = /[!|]/.exec(prefixes);
  if (unsupported) throw new Error(`the prefix ${unsupported[0]} is not supported by the supervisor`);
  const program = expand(bare);
  const rest = words.slice(1).map(expand);
  if (program === '') throw new Error('it names no program');
  if (program.includes('/') && !program.startsWith('/'))
    throw new Error(`${program} is neither an absolute path nor a plain name`);
  const ownName = prefixes.includes('@');
  if (ownName && rest.length === 0)
    throw new Error('the prefix @ needs a second word, the name to run under');
  return {
    program,
    argv0: ownName ? (rest[0] as string) : null,
    args: ownName ? rest.slice(1) : rest,
    mayFail: prefixes.includes('-'),
    expandVariables: !prefixes.includes(':'),
    fullPrivileges: prefixes.includes('+'),
  };
}

/**
 * The arguments with variables put in as systemd does: `$NAME` as a word of its own is split at white space into
 * any number of words, `${NAME}` anywhere is exactly its value, `$$` is a dollar; what is not set is empty.
 */
export function expandArguments(command: Command, env: Readonly<Record<string, string>>): string[] {
  if (!command.expandVariables) return [...command.args];
  return command.args.flatMap((word) => {
    const own = /^\$([A-Za-z_][A-Za-z0-9_]*)$/.exec(word);
    if (own) return (env[own[1] as string] ?? '').split(/\s+/).filter((part) => part !== '');
    return [
      word.replace(/\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\})/g, (_, name: string | undefined) =>
        name === undefined ? '$' : (env[name] ?? ''),
      ),
    ];
  });
}
