#!lua flags=allow-oom
-- ARGV: reason. What is ready or delayed leaves the work; claims do when they end. Answers missing or done.
if not redis.call('HGET', K.meta, 'state') then return 'missing' end
redis.call('HSET', K.meta, 'state', 'cancelled', 'reason', ARGV[1])
redis.call('HDEL', K.meta, 'finishedAt')
for _, lane in ipairs(LANES) do
  for _, state in ipairs({'ready', 'delayed'}) do
    local left = tonumber(redis.call('HGET', K.meta, lane .. '.' .. state))
    move(lane, state, -left)
    move(lane, 'total', -left)
  end
  redis.call('UNLINK', K[lane .. 'Ready'], K[lane .. 'Delayed'])
end
return 'done'
