#!lua flags=allow-oom
-- ARGV: running or paused, reason. Answers missing, cancelled or done. Failures are counted anew from a resume on:
-- what stopped the migration once must not stop it again at once.
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
redis.call('HSET', K.meta, 'state', ARGV[1], 'reason', ARGV[2])
if ARGV[1] == 'running' then redis.call('HSET', K.meta, 'settledInRun', 0, 'failedInRun', 0) end
return 'done'
