#!lua
-- ARGV: id, its bucket, packed row, number of tiles. Answers missing, cancelled, known or added.
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
local ids = K.idsOf .. ARGV[2]
local known = redis.call('HGET', ids, ARGV[1])
if known and known:sub(1, 1) ~= '!' then return 'known' end
if known then
  redis.call('HINCRBY', K.meta, 'refused', -1)
  countReason(known:match('^!%d+!(.*)$'), -1)
end
local tiles = tonumber(ARGV[4])
local image = redis.call('HINCRBY', K.meta, 'images', 1) - 1
redis.call('HSET', ids, ARGV[1], image)
local rows, field = rowOf(K.rowsOf, image)
redis.call('HSET', rows, field, ARGV[3])
redis.call('HSET', rowOf(K.openOf, image), field, tiles)
redis.call('RPUSH', K.tilesReady, packItem(image, 0, tiles, 0, 0, 0))
move('tiles', 'total', tiles)
move('tiles', 'ready', tiles)
redis.call('HDEL', K.meta, 'finishedAt')
return 'added'
