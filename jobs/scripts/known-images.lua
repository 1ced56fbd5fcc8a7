#!lua flags=no-writes
-- ARGV: id, its bucket, for each image. Answers missing or cancelled, else of each 1 if it was added, or 0.
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
local known = {}
for index = 1, #ARGV, 2 do
  local value = redis.call('HGET', K.idsOf .. ARGV[index + 1], ARGV[index])
  known[#known + 1] = value and value:sub(1, 1) ~= '!' and 1 or 0
end
return known
