#!lua flags=allow-oom
-- ARGV: reason. What is ready or delayed leaves the work; claims do when they end. Answers missing or done.
if not get('state') then return 'missing' end
set('state', 'cancelled')
set('reason', ARGV[1])
clear('finishedAt')
for _, lane in ipairs(LANES) do
  for _, state in ipairs({'ready', 'delayed'}) do
    local left = tonumber(get(lane .. '.' .. state))
    move(lane, state, -left)
    move(lane, 'total', -left)
  end
  redis.call('UNLINK', K[lane .. 'Ready'], K[lane .. 'Delayed'])
end
return 'done'
