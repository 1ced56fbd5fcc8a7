#!lua flags=allow-oom
-- ARGV: line or 'close', the run of Redis the populate job began with ('' = any). Answers missing, cancelled,
-- restarted or done. A Redis that was started again may have lost images whose adding it had answered, and the list
-- would go on behind them: so the cursor moves only in the run in which those before it were added.
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
if ARGV[2] ~= '' and redis.call('INFO', 'server'):match('run_id:(%x+)') ~= ARGV[2] then return 'restarted' end
if ARGV[1] == 'close' then
  redis.call('HSET', K.meta, 'planClosed', 1)
  noteFinish()
else
  redis.call('HSET', K.meta, 'planCursor', ARGV[1])
end
return 'done'
