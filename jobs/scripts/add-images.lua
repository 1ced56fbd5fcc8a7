#!lua
-- ARGV: four for each image: id, its bucket, packed row and number of tiles; or, of one that cannot be added,
-- `!status!reason` and 0. Answers missing or cancelled, else of each added, known or refused.
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end

local first = tonumber(redis.call('HGET', K.meta, 'images'))
local image, tiles, refused = first, 0, 0
local answers, items = {}, {}
for index = 1, #ARGV, 4 do
  local id, bucket, record, count = ARGV[index], ARGV[index + 1], ARGV[index + 2], tonumber(ARGV[index + 3])
  local ids = K.idsOf .. bucket
  local known = redis.call('HGET', ids, id)
  local answer = 'known'
  if not known or known:sub(1, 1) == '!' then
    if known then
      refused = refused - 1
      countReason(known:match('^!%d+!(.*)$'), -1)
    end
    if count == 0 then
      answer = 'refused'
      refused = refused + 1
      redis.call('HSET', ids, id, record)
      redis.call('SADD', K.refused, bucket)
      countReason(record:match('^!%d+!(.*)$'), 1)
    else
      answer = 'added'
      redis.call('HSET', ids, id, image)
      local rows, field = rowOf(K.rowsOf, image)
      redis.call('HSET', rows, field, record)
      redis.call('HSET', rowOf(K.openOf, image), field, count)
      items[#items + 1] = packItem(image, 0, count, 0, 0, 0)
      image = image + 1
      tiles = tiles + count
    end
  end
  answers[#answers + 1] = answer
end

for from = 1, #items, 1000 do
  redis.call('RPUSH', K.tilesReady, unpack(items, from, math.min(from + 999, #items)))
end
if refused ~= 0 then redis.call('HINCRBY', K.meta, 'refused', refused) end
if image > first then
  redis.call('HSET', K.meta, 'images', image)
  redis.call('HDEL', K.meta, 'finishedAt')
  move('tiles', 'total', tiles)
  move('tiles', 'ready', tiles)
end
return answers
