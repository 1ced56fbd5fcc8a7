#!lua
-- ARGV: id, its bucket, reason, status. Answers missing, cancelled or done. An image that was added stays added.
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
local ids = K.idsOf .. ARGV[2]
local known = redis.call('HGET', ids, ARGV[1])
if known and known:sub(1, 1) ~= '!' then return 'done' end
if known then
  countReason(known:match('^!%d+!(.*)$'), -1)
else
  redis.call('HINCRBY', K.meta, 'refused', 1)
  redis.call('SADD', K.refused, ARGV[2])
end
redis.call('HSET', ids, ARGV[1], '!' .. ARGV[4] .. '!' .. ARGV[3])
countReason(ARGV[3], 1)
return 'done'
