#!lua
-- ARGV: lane, bucket, first and end ('' = all) of the tiles wanted, then fields of that bucket. Of their failures what lies
-- within goes back to ready with no attempts counted, the rest stays. A field that is gone was requeued by somebody
-- else. Answers missing, cancelled, or how many tiles or descriptors moved.
local lane, bucket = ARGV[1], ARGV[2]
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
local key = K[lane .. 'FailedOf'] .. bucket
local reasons = reasonsOfKinds()
local checking = get('checks.round') ~= '0' and not roundFinished()

local from, till = tonumber(ARGV[3]), tonumber(ARGV[4]) or math.huge
local moved = 0
for index = 5, #ARGV do
  local field = ARGV[index]
  local value = redis.call('HGET', key, field)
  local place, first = unpackField(field)
  local image = bucket * FAILURES + place
  local kind, ranges, kept, items, size = nil, {}, {}, {}, 0
  if value then kind, ranges = unpackFailures(first, value) end
  local function keep(begin, past)
    if begin < past then kept[#kept + 1] = {begin, past - begin} end
  end
  for _, range in ipairs(ranges) do
    local begin, past = range[1], range[1] + range[2]
    local cut, cutPast = math.max(begin, from), math.min(past, till)
    if cut < cutPast then
      keep(begin, cut)
      keep(cutPast, past)
      items[#items + 1] = packItem(image, cut, cutPast - cut, 0, 0, 0)
      size = size + cutPast - cut
    else
      keep(begin, past)
    end
  end
  if size > 0 then
    redis.call('HDEL', key, field)
    for _, range in ipairs(kept) do
      redis.call('HSET', key, failuresField(image, range[1]), packFailures(kind, {range}))
    end
    redis.call('LPUSH', K[lane .. 'Ready'], unpack(items))
    countReason(reasons[kind], -size)
    if lane == 'tiles' then tilesMoved(image, 0, -size) end
    if checking and image < tonumber(get('checks.images')) then blindChecks(image) end
    moved = moved + size
  end
end
move(lane, 'failed', -moved)
move(lane, 'ready', moved)
if moved > 0 then clear('finishedAt') end
if redis.call('EXISTS', key) == 0 then redis.call('ZREM', K[lane .. 'Failed'], bucket) end
return moved
