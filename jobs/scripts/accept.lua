#!lua flags=allow-oom
-- ARGV: id of an image, its bucket. Answers missing, cancelled, unknown, unsettled, whole or accepted.
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end
local image = tonumber(redis.call('HGET', K.idsOf .. ARGV[2], ARGV[1]))
if not image then return 'unknown' end
local open = count(K.openOf, image, 0)
if open ~= count(K.badOf, image, 0) then return 'unsettled' end
if open == 0 then return 'whole' end
if not marked(markOf(image), RELEASED) then
  release(image)
  add('withheld', -1)
  add('incomplete', 1)
  clear('finishedAt')
end
return 'accepted'
