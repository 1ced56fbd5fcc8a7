#!lua flags=allow-oom
-- ARGV: token, lane, lease in ms, the migration's name. Answers
--   claim, lane, image, row, first, end, attempt, lease, definition
--   elsewhere, migration      the token holds a claim in another migration: ask there
--   missing | cancelled | finished | paused | empty, with the time until the next delayed item is due
local token, lane, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local state = redis.call('HGET', K.meta, 'state')
if not state then return {'missing'} end

local function show(claim)
  local rows, field = rowOf(K.rowsOf, claim.image)
  return {'claim', claim.lane, claim.image, redis.call('HGET', rows, field), claim.cursor, claim['end'],
    claim.attempt, claim.lease, redis.call('HGET', K.meta, 'definition')}
end

local held = readClaim(token)
if held then
  if held.migration ~= ARGV[4] then return {'elsewhere', held.migration} end
  if not held.cursor then return {'empty'} end
  redis.call('ZADD', K.leases, now() + held.lease, token)
  return show(held)
end
if state == 'cancelled' then return {state} end
if finished() then return {'finished'} end
if state == 'paused' then return {state} end

local ready = K[lane .. 'Ready']
local item = redis.call('LPOP', ready)
if not item then
  local next = redis.call('ZRANGE', K[lane .. 'Delayed'], 0, 0, 'WITHSCORES')
  if not next[2] then return {'empty'} end
  return {'empty', math.max(0, next[2] - now())}
end
local i = unpack36(item)
local image, first, count, attempt, losses, alone = i[1], i[2], i[3], i[4] or 0, i[5] or 0, i[6] or 0
local size = math.min(count, alone == 1 and 1 or tonumber(redis.call('HGET', K.meta, 'rangeSize')))
if size < count then
  redis.call('LPUSH', ready, packItem(image, first + size, count - size, attempt, losses, alone))
end
move(lane, 'ready', -size)
move(lane, 'claimed', size)
local time = now()
redis.call('HSETNX', K.meta, 'startedAt', time)
redis.call('HSET', K.claimOf .. token, 'migration', ARGV[4], 'lane', lane, 'image', image, 'cursor', first,
  'end', first + size, 'attempt', attempt, 'losses', losses, 'alone', alone, 'lease', lease, 'sequence', 0)
redis.call('ZADD', K.leases, time + lease, token)
return show({lane = lane, image = image, cursor = first, ['end'] = first + size, attempt = attempt, lease = lease})
