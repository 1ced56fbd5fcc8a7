#!lua
-- ARGV: name, definition, rangeSize, stopAfterFailures, stopAfterTiles, what becomes of an incomplete image. Answers
-- created, exists or conflict.
local definition = redis.call('HGET', K.meta, 'definition')
if definition then return definition == ARGV[2] and 'exists' or 'conflict' end
redis.call('HSET', K.meta, 'definition', ARGV[2], 'rangeSize', ARGV[3], 'stopAfterFailures', ARGV[4],
  'stopAfterTiles', ARGV[5], 'whenIncomplete', ARGV[6], 'state', 'running', 'reason', '', 'limit.requests', '',
  'limit.bytes', '', 'planClosed', 0, 'images', 0, 'withheld', 0, 'incomplete', 0, 'refused', 0, 'bytes', 0,
  'reclaimed', 0, 'settledInRun', 0, 'failedInRun', 0, 'sampledAt', 0, 'checks.round', 0)
for _, lane in ipairs(LANES) do
  for _, state in ipairs({'total', 'ready', 'claimed', 'delayed', 'done', 'skipped', 'failed'}) do
    redis.call('HSET', K.meta, lane .. '.' .. state, 0)
  end
end
redis.call('RPUSH', K.migrations, ARGV[1])
return 'created'
