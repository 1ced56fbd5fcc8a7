/** Answers some requests in one go: as many answers, in their order. */
type Answer<Request, Reply> = (requests: readonly Request[]) => Promise<readonly Reply[]>;

/**
 * Lets requests that come while others are on their way wait for them and then go together, at most `most` at once; one
 * that comes alone goes at once. What is asked for in the same turn goes together too. So nobody waits longer than for one
 * answer that is due, and the busier the callers are, the less each request costs.
 *
 * An answer that fails fails for all that went together, and for those that wait for it: they were not sent.
 */
export function createBatches<Request, Reply>(
  answer: Answer<Request, Reply>,
  most: number,
): (request: Request) => Promise<Reply> {
  interface Waiting {
    readonly request: Request;
    readonly resolve: (reply: Reply) => void;
    readonly reject: (error: unknown) => void;
  }
  const waiting: Waiting[] = [];
  let busy = false;

  async function send(): Promise<void> {
    // Those of the same turn are still to come.
    await undefined;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, most);
      try {
        const replies = await answer(batch.map(({ request }) => request));
        for (const [at, { resolve }] of batch.entries()) resolve(replies[at]!);
      } catch (error) {
        for (const { reject } of [...batch, ...waiting.splice(0)]) reject(error);
      }
    }
    busy = false;
  }

  return (request) =>
    new Promise((resolve, reject) => {
      waiting.push({ request, resolve, reject });
      if (busy) return;
      busy = true;
      void send();
    });
}
