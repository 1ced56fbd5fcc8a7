/**
 * What `-o json` prints of migrations: a contract, like cli/json-output.ts. docs/json-output.md says the same in words.
 */
import * as v from 'valibot';
import { INCOMPLETE, LANES, SERVER_SIDE } from '../jobs/work-queue.js';
import { SIDES } from '../stores/environment.js';
import { count, field, orNull, text } from './json-output.js';

const number = v.number();
const flag = v.boolean();
/** An object within another: docs/json-output.md has a section of this name. */
const part = <Schema extends v.GenericSchema>(name: string, schema: Schema) => v.pipe(schema, v.title(name));

const limitEntries = {
  requestsPerSecond: field(orNull(number), 'most requests to the source; null: not limited'),
  bytesPerSecond: field(orNull(number), 'most bytes of objects carried; null: not limited'),
};

export const Definition = v.strictObject({
  name: field(text, 'name of the migration'),
  source: field(text, 'location'),
  destination: field(text, 'location'),
  rangeSize: field(count, 'most tiles in one range'),
  maxAttempts: field(count, 'attempts per tile before it counts as failed'),
  stopAfterFailures: field(number, 'pauses when more than this share of the tiles failed; from 0 to 1'),
  stopAfterTiles: field(count, 'judged once this many tiles are settled'),
  serverSide: field(v.picklist(SERVER_SIDE), 'whether the destination copies tiles by itself'),
  incomplete: field(v.picklist(INCOMPLETE), 'what is done with the descriptor of an image that misses tiles'),
});

export const Counts = v.strictObject({
  total: field(count, 'all of them: the sum of the other six'),
  ready: field(count, 'wait for a worker'),
  claimed: field(count, 'a worker has them'),
  delayed: field(count, 'failed, and will be tried again at a time that is set'),
  done: field(count, 'are done'),
  skipped: field(count, 'needed nothing to be done'),
  failed: field(count, 'failed for good'),
});

export const ImageCounts = v.strictObject({
  total: field(count, 'images planned'),
  published: field(count, 'their descriptor is at the destination'),
  withheld: field(count, 'tiles of them failed, and their descriptor is kept back'),
  incomplete: field(count, 'their descriptor was released although tiles are missing'),
  refused: field(count, 'ids that could not be planned at all'),
});

export const Rate = v.strictObject({
  tilesPerSecond: field(number, 'tiles done, skipped and failed'),
  bytesPerSecond: field(number, 'bytes stored'),
});

export const Limits = v.strictObject(limitEntries);

export const Verification = v.strictObject({
  round: field(count, 'counts from 1'),
  sample: field(number, 'share of the tiles that is looked at; 1: every tile'),
  read: field(flag, 'objects are read in full; false: what the store tells of them is taken'),
  unpublish: field(flag, 'the descriptor of an image found wrong is taken away until it is whole again'),
  checks: field(part('counts', Counts), 'tiles, and one for each image as a whole'),
  matched: field(count, 'images whose digest is that of the destination'),
  restarted: field(count, 'images found wrong, which are migrated again'),
  unproven: field(count, 'images that are there, but whose bytes are not proven'),
  finished: field(flag, 'every check is settled'),
  startedAt: field(text, 'when the round was begun'),
  finishedAt: field(orNull(text), 'when it ended; null: not yet'),
});

export const Latency = v.strictObject({
  side: field(v.picklist(SIDES), 'which of its stores'),
  kind: field(text, 'azure, swift, file ...: the kind of its location'),
  requests: field(count, 'how many it made in the last minute, repeated ones each by itself'),
  p50Ms: field(number, 'ms that half of them took at most'),
  p99Ms: field(number, 'ms that 99 of 100 took at most'),
});

export const Worker = v.strictObject({
  worker: field(text, 'its own random id'),
  lane: field(v.picklist(LANES), 'what it works on'),
  unit: field(text, 'unit it runs as; empty outside the fleet'),
  machine: field(text, 'whole id of its machine; empty outside the fleet'),
  state: field(
    v.picklist(['copying', 'idle', 'source unreachable', 'destination unreachable']),
    'what it does',
  ),
  since: field(text, 'since when it is in that state, by its own clock'),
  detail: field(text, 'why, in words; may be empty'),
  done: field(count, 'items done since it started'),
  skipped: field(count, 'items skipped'),
  failed: field(count, 'items failed'),
  bytes: field(count, 'bytes carried'),
  rate: field(number, 'items settled per second over the last ten seconds'),
  limit: field(number, 'objects that it has in flight at most now'),
  latency: field(
    v.array(part('latency', Latency)),
    'of each store that it asked something in the last minute',
  ),
});

export const ShownMigration = v.strictObject({
  definition: field(part('definition', Definition), 'what it was created with'),
  state: field(v.picklist(['running', 'paused', 'cancelled']), 'what was asked for'),
  reason: field(text, 'who paused or cancelled it and why; may be empty'),
  words: field(text, 'how it stands in words: running, paused (why), complete, complete with 3 failures ...'),
  planClosed: field(flag, 'no further image will be added'),
  planOpen: field(v.array(text), 'the lists of images begun and not yet read to their end'),
  finished: field(flag, 'plan closed, every tile and every descriptor settled'),
  images: field(part('image counts', ImageCounts), 'images by what became of them'),
  tiles: field(part('counts', Counts), 'tiles by state'),
  descriptors: field(part('counts', Counts), 'descriptors released so far, by state'),
  bytes: field(count, 'bytes of tiles and descriptors done'),
  reclaimed: field(count, 'tiles and descriptors handed out again because their claim was lost'),
  failures: field(v.record(text, count), 'reason: tiles, descriptors and images failed with it'),
  digest: field(text, 'XOR of the digests of all images, 32 hex digits'),
  limit: field(part('limit', Limits), 'of all workers together'),
  last10s: field(orNull(part('rate', Rate)), 'over the last 10 seconds; null: finished, or not known yet'),
  lastMinute: field(orNull(part('rate', Rate)), 'over the last minute; null: as above'),
  whole: field(orNull(part('rate', Rate)), 'over the whole run; null: not begun'),
  share: field(orNull(number), 'settled of the tiles planned so far, from 0 to 1; null: none planned'),
  leftMs: field(orNull(count), 'ms until all tiles are settled; null: not known'),
  leftBy: field(
    orNull(v.picklist(['last minute', 'whole run'])),
    'the rate that `leftMs` is reckoned with; null: none',
  ),
  startedAt: field(orNull(text), 'when the first work was claimed; null: not yet'),
  finishedAt: field(orNull(text), 'when it was finished; null: not yet'),
  now: field(text, "Redis's clock when it was asked"),
  verification: field(
    orNull(part('verification', Verification)),
    'the last round of zh-verify; null: none yet',
  ),
  workers: field(v.array(part('worker', Worker)), 'all workers alive, also those of other migrations'),
});
export type ShownMigration = v.InferOutput<typeof ShownMigration>;

export const ListedFailure = v.strictObject({
  lane: field(v.picklist([...LANES, 'images']), 'what failed; images: an id that could not be planned'),
  image: field(text, 'id of the image'),
  first: field(count, 'number of the first tile that failed so; 0 but for tiles and checks'),
  count: field(count, 'how many neighbours failed so'),
  reason: field(text, 'a constant word, such as http-404'),
  status: field(count, 'HTTP status; 0: none'),
  attempt: field(count, 'attempts made'),
  key: field(orNull(text), 'the first object, below source and destination; null: the image is not known'),
  lastKey: field(orNull(text), 'the last object; that of `key` if `count` is 1'),
});
export type ListedFailure = v.InferOutput<typeof ListedFailure>;

export const ShownImage = v.strictObject({
  image: field(text, 'id'),
  number: field(count, "the migration's own number for it, in the order added"),
  width: field(count, 'in pixels'),
  height: field(count, 'in pixels'),
  tileSize: field(count, 'in pixels'),
  overlap: field(count, 'in pixels'),
  format: field(text, "the tiles' extension"),
  tiles: field(count, 'how many it has'),
  stored: field(count, 'tiles done or skipped'),
  failed: field(count, 'tiles failed for good'),
  left: field(count, 'tiles still to come'),
  bytes: field(count, 'bytes of tiles and descriptor done'),
  digest: field(text, 'of the tiles stored, 32 hex digits'),
  descriptor: field(
    v.picklist(['waiting', 'withheld', 'released']),
    'not released yet; kept back as tiles failed; published, or on its way',
  ),
});
export type ShownImage = v.InferOutput<typeof ShownImage>;
