#!lua
-- ARGV: list. Answers missing, cancelled, or which run of Redis says that the list is open.
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
redis.call('SADD', K.planOpen, ARGV[1])
redis.call('HSET', K.meta, 'planClosed', 0)
redis.call('HDEL', K.meta, 'finishedAt')
return runOfRedis()
