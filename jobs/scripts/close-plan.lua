#!lua flags=allow-oom
-- ARGV: the list ('' = all) and the run of Redis in which it was begun ('' = any). Answers missing, cancelled, restarted
-- or done. A Redis that was started again may have lost images whose adding it had answered: so a list is closed only in
-- the run in which it was begun.
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
if ARGV[2] ~= '' and runOfRedis() ~= ARGV[2] then return 'restarted' end
if ARGV[1] == '' then
  redis.call('DEL', K.planOpen)
else
  redis.call('SREM', K.planOpen, ARGV[1])
end
if redis.call('EXISTS', K.planOpen) == 0 then set('planClosed', '1') end
noteFinish()
return 'done'
