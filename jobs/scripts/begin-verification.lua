#!lua
-- ARGV: options (JSON). Answers missing, cancelled, joined, verifying, unfinished or begun. What the last round left goes.
local meta = redis.call('HMGET', K.meta, 'state', 'checks.round', 'checks.options', 'images', 'tiles.total')
local state = meta[1]
if not state then return 'missing' end
if state == 'cancelled' then return state end
if meta[2] ~= '0' and not roundFinished() then return meta[3] == ARGV[1] and 'joined' or 'verifying' end
if not finished() then return 'unfinished' end

for _, bucket in ipairs(redis.call('ZRANGE', K.checksFailed, 0, -1)) do
  redis.call('UNLINK', K.checksFailedOf .. bucket)
end
redis.call('DEL', K.checksFailed)
local checks = meta[4] + meta[5]
redis.call('HSET', K.meta, 'checks.round', meta[2] + 1, 'checks.options', ARGV[1], 'checks.images', meta[4],
  'checks.cursor', 0, 'checks.matched', 0, 'checks.restarted', 0, 'checks.unproven', 0, 'checks.startedAt', now(),
  'checks.total', checks, 'checks.ready', checks, 'checks.done', 0, 'checks.skipped', 0, 'checks.failed', 0)
redis.call('HDEL', K.meta, 'checks.finishedAt')
if checks == 0 then redis.call('HSET', K.meta, 'checks.finishedAt', now()) end
return 'begun'
