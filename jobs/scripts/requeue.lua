#!lua
-- ARGV: lane, bucket, first and end ('' = all) of the tiles wanted, then fields of that bucket. Of their failures what lies
-- within goes back to ready with no attempts counted, the rest stays. A field that is gone was requeued by somebody
-- else. Answers missing, cancelled, or how many tiles or descriptors moved.
local lane, bucket = ARGV[1], ARGV[2]
local meta = redis.call('HMGET', K.meta, 'state', 'checks.round', 'checks.images')
local state = meta[1]
if not state then return 'missing' end
if state == 'cancelled' then return state end
local key = K[lane .. 'FailedOf'] .. bucket
local names = reasonNames()
local checking = meta[2] ~= '0' and not roundFinished()

local moved = 0
for index = 5, #ARGV do
  local value = redis.call('HGET', key, ARGV[index])
  local place, f = unpack36(ARGV[index]), unpack36(value or '0')
  local from, past = math.max(place[2], ARGV[3]), place[2] + f[1]
  local till = ARGV[4] == '' and past or math.min(past, ARGV[4])
  if from < till then
    local function keep(first, size)
      if size > 0 then
        redis.call('HSET', key, b36(place[1]) .. ':' .. b36(first), pack(size, f[2], f[3], f[4]))
      end
    end
    local image = bucket * 16 + place[1]
    redis.call('HDEL', key, ARGV[index])
    keep(place[2], from - place[2])
    keep(till, past - till)
    redis.call('LPUSH', K[lane .. 'Ready'], packItem(image, from, till - from, 0, 0, 0))
    countReason(names[f[2]], from - till)
    if lane == 'tiles' then tilesMoved(image, 0, from - till) end
    if checking and image < tonumber(meta[3]) then blindChecks(image) end
    moved = moved + till - from
  end
end
move(lane, 'failed', -moved)
move(lane, 'ready', moved)
if moved > 0 then redis.call('HDEL', K.meta, 'finishedAt') end
if redis.call('EXISTS', key) == 0 then redis.call('ZREM', K[lane .. 'Failed'], bucket) end
return moved
