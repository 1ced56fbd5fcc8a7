/**
 * Awaits a condition nobody announces, by asking again after 20 ms, or as long as the last answer took (200 ms at most): who asks by
 * starting a process does not take a processor from what is waited for. The time-out is the promised deadline.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false | null> | T | undefined | false | null,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const asked = performance.now();
    const value = await probe();
    if (value !== undefined && value !== false && value !== null) return value;
    const now = performance.now();
    if (now > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(20, now - asked), 200)));
  }
}
