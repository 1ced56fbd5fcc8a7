// Boots a host in a world of its own, says where, and waits to be killed.
import { openWorld } from '../../support/world.js';

const world = await openWorld(() => []);
await world.script('up', '1');
process.stdout.write(`${world.dir}\n`);
setInterval(() => undefined, 60_000);
