#!lua flags=allow-oom
-- ARGV: requests and bytes per second, '' = no limit. Answers missing, cancelled or done.
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
redis.call('HSET', K.meta, 'limit.requests', ARGV[1], 'limit.bytes', ARGV[2])
return 'done'
