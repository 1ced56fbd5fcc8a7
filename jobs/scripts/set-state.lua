#!lua flags=allow-oom
-- ARGV: running or paused, reason. Answers missing, cancelled or done. Failures are counted anew from a resume on:
-- what stopped the migration once must not stop it again at once.
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
set('state', ARGV[1])
set('reason', ARGV[2])
if ARGV[1] == 'running' then
  set('settledInRun', 0)
  set('failedInRun', 0)
end
return 'done'
