/** As fleetctl wrote what is no answer, on stderr: `2026/11/21 01:39:25 WARN convoyctl: text`, in UTC. */
export function logLine(level: 'DEBUG' | 'INFO' | 'WARN', text: string, now: Date): string {
  const [day = '', time = ''] = now.toISOString().split('T');
  return `${day.replaceAll('-', '/')} ${time.slice(0, 8)} ${level} convoyctl: ${text}`;
}
