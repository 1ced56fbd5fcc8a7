#!lua
-- ARGV: list. Answers missing, cancelled, or which run of Redis says that the list is open.
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
redis.call('SADD', K.planOpen, ARGV[1])
set('planClosed', '0')
clear('finishedAt')
return runOfRedis()
