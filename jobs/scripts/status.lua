#!lua flags=no-writes
-- Everything of one moment: now, whether it is finished and whether its round of verification is, meta and failures as
-- flat lists, the open lists of images, the samples; nil if missing.
local meta = redis.call('HGETALL', K.meta)
if #meta == 0 then return false end
for index = 1, #meta, 2 do
  if meta[index] == 'digest' then meta[index + 1] = hexOf(meta[index + 1]) end
end
return {now(), finished() and 1 or 0, roundFinished() and 1 or 0, meta, redis.call('HGETALL', K.failures),
  redis.call('SMEMBERS', K.planOpen), redis.call('LRANGE', K.samples, 0, -1)}
