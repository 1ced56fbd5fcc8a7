/** Who pauses or cancels a migration, for whoever finds it so: `by ada with convoyctl`. */
export function operatorWords({ USER }: NodeJS.ProcessEnv, program: string): string {
  return `by ${USER || 'an operator'} with ${program}`;
}
