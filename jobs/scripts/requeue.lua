#!lua
-- ARGV: lane, bucket, then fields of that bucket. Their failures go back to ready with no attempts counted. A field that
-- is gone was requeued by somebody else. Answers missing, cancelled, or how many tiles or descriptors moved.
local lane, bucket = ARGV[1], ARGV[2]
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
local key = K[lane .. 'FailedOf'] .. bucket
local reasons = {}
local names = redis.call('HGETALL', K.reasons)
for index = 1, #names, 2 do reasons[tonumber(names[index + 1])] = names[index] end

local moved = 0
for index = 3, #ARGV do
  local value = redis.call('HGET', key, ARGV[index])
  if value then
    local place, f = unpack36(ARGV[index]), unpack36(value)
    local image = bucket * 16 + place[1]
    redis.call('HDEL', key, ARGV[index])
    redis.call('LPUSH', K[lane .. 'Ready'], packItem(image, place[2], f[1], 0, 0, 0))
    countReason(reasons[f[2]], -f[1])
    if lane == 'tiles' then imageMoved(image, 0, -f[1]) end
    moved = moved + f[1]
  end
end
move(lane, 'failed', -moved)
move(lane, 'ready', moved)
if moved > 0 then redis.call('HDEL', K.meta, 'finishedAt') end
if redis.call('EXISTS', key) == 0 then redis.call('ZREM', K[lane .. 'Failed'], bucket) end
return moved
