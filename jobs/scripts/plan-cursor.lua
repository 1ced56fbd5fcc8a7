#!lua flags=no-writes
-- Answers the place in the id list and which run of Redis says so; nil if the migration is missing.
local cursor = redis.call('HGET', K.meta, 'planCursor')
if not cursor then return false end
return {tonumber(cursor), redis.call('INFO', 'server'):match('run_id:(%x+)')}
