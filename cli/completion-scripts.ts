/**
 * What a shell sources. Each asks the program itself, as `PROGRAM __complete WORD...` with the words up to the cursor;
 * what is printed is one candidate a line, with what it is after a tab, and `:files` if files will do as well.
 */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, program: string): string {
  switch (shell) {
    case 'bash':
      return bash(program);
    case 'zsh':
      return zsh(program);
    case 'fish':
      return fish(program);
  }
}

/** Bash cuts words at `@`, `=` and `:`, so the line is cut at blanks here, and what bash keeps is taken off the answers. */
const bash = (
  program: string,
): string => `# bash completion of ${program}: source <(${program} completion bash)
_${program}() {
  local line=\${COMP_LINE:0:COMP_POINT} words cur kept candidate
  read -ra words <<<"$line"
  case $line in *[[:blank:]]) words+=("") ;; esac
  cur=\${words[\${#words[@]} - 1]}
  kept=\${cur%"\${cur##*[@=:]}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    case $candidate in
      :files) compopt -o default 2>/dev/null ;;
      "$cur"*) COMPREPLY+=("\${candidate#"$kept"}") ;;
    esac
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
}
complete -F _${program} ${program}
`;

const zsh = (program: string): string => `#compdef ${program}
# zsh completion of ${program}: source <(${program} completion zsh)
_${program}() {
  local -a lines described
  local line files=
  lines=("\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    if [[ $line == :files ]]; then files=1; continue; fi
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( $#described )) && _describe '${program}' described
  [[ -n $files ]] && _files
  return 0
}
if [[ $funcstack[1] == _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;

const fish = (
  program: string,
): string => `# fish completion of ${program}: ${program} completion fish | source
function __${program}_candidates
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c ${program} -f -a '(__${program}_candidates)'
`;
