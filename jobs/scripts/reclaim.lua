#!lua flags=allow-oom
-- ARGV: limit. Expired claims and due delayed items go back to ready, at most so many of each. Answers how many did.
local state = get('state')
if not state then return 'missing' end
local time, moved = now(), 0

for _, token in ipairs(redis.call('ZRANGEBYSCORE', K.leases, '-inf', time, 'LIMIT', 0, ARGV[1])) do
  local claim = readClaim(token)
  local lane, image, left = claim.lane, claim.image, claim['end'] - claim.cursor
  local losses = claim.losses + 1
  local poisonous = losses >= POISON_LOSSES and claim.alone == 1
  local attempt = {first = claim.cursor, count = left, reason = 'worker-died', status = 0, attempt = claim.attempt + 1}
  countLoss(claim)
  remember(time, lane, image, {attempt}, poisonous or state == 'cancelled', '')
  if poisonous then
    move(lane, 'claimed', -1)
    fail(lane, image, {attempt}, '')
    if lane == 'tiles' then tilesMoved(image, 0, 1) end
    if lane == 'checks' then checksMoved(image, 1, 1, false, false, nil, false) end
  elseif losses < POISON_LOSSES then
    giveBack(claim, losses, claim.alone)
  else
    giveBack(claim, 0, 1)
  end
  forgetClaim(token)
  moved = moved + 1
end

for _, lane in ipairs(LANES) do
  local delayed = K[lane .. 'Delayed']
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', time, 'LIMIT', 0, ARGV[1])) do
    local d = unpack36(member)
    redis.call('ZREM', delayed, member)
    redis.call('LPUSH', K[lane .. 'Ready'], packItem(d[1], d[2], d[3], d[4], 0, 0))
    move(lane, 'delayed', -d[3])
    move(lane, 'ready', d[3])
    moved = moved + 1
  end
end
if moved > 0 then noteFinish() end
return moved
