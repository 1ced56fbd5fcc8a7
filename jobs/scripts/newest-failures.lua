#!lua flags=no-writes
-- ARGV: how many, at most. The last attempts that failed, newest first: of each its record and its image's row ('' of a
-- refused one); nil if there is no such migration.
if redis.call('EXISTS', K.meta) == 0 then return false end
local answer = {}
for index, record in ipairs(redis.call('LRANGE', K.attempts, 0, ARGV[1] - 1)) do
  local image = cjson.decode(record)[4]
  answer[2 * index - 1] = record
  answer[2 * index] = type(image) == 'number' and ofImage(K.rowsOf, image) or ''
end
return answer
