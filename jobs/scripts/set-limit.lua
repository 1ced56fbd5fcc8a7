#!lua flags=allow-oom
-- ARGV: requests and bytes per second, '' = no limit. Answers missing, cancelled or done.
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
set('limit.requests', ARGV[1])
set('limit.bytes', ARGV[2])
return 'done'
