#!lua flags=allow-oom
-- ARGV: four for each claim asked for: token, lane, lease in ms, the migration's name. Answers of each
--   claim, lane, image, row, first, end, attempt, lease, definition, the worker's share of requests and of bytes, whether to
--     look first; in lane checks: the round, its options (JSON), whether the image is at rest, whether its descriptor
--     is stored, of each stored failure of its tiles the first and the count, whether its digest differs
--   elsewhere, migration      the token holds a claim in another migration: ask there
--   missing | cancelled | finished | paused | empty, with the time until the next delayed item is due
local function show(token, claim)
  local image = claim.image
  local mark = markOf(image)
  local look = claim.lane == 'tiles' and marked(mark, LOOK_FIRST) and 1 or 0
  local requests, bytes = share(token, get('limit.requests'), get('limit.bytes'))
  local answer = {'claim', claim.lane, image, ofImage(K.rowsOf, image), claim.cursor, claim['end'], claim.attempt,
    claim.lease, get('definition'), requests, bytes, look}
  if claim.lane ~= 'checks' then return answer end
  local stored = marked(mark, STORED) or marked(mark, SKIPPED)
  local failed = {}
  if count(K.badOf, image, 0) > 0 then
    for _, failure in ipairs(failuresOf('tiles', image)) do
      for _, range in ipairs(failure.ranges) do
        failed[#failed + 1] = range[1]
        failed[#failed + 1] = range[2]
      end
    end
  end
  local differs = marked(readChecked(image).flags, DIFFERS)
  local check = {tonumber(get('checks.round')), get('checks.options'), isAtRest(image) and 1 or 0, stored and 1 or 0, failed, differs and 1 or 0}
  for _, value in ipairs(check) do answer[#answer + 1] = value end
  return answer
end

-- What workers may have died of: lost twice with nothing settled, or given out tile by tile.
local function isSuspect(losses, alone)
  return alone == 1 or losses >= POISON_LOSSES - 1
end

local function holdsSuspect(worker)
  for _, token in ipairs(redis.call('ZRANGE', K.leases, 0, -1)) do
    if workerOf(token) == worker then
      local claim = readClaim(token)
      if isSuspect(claim.losses, claim.alone) then return true end
    end
  end
  return false
end

-- Takes a range from the front of ready, or nil if none of the first items is for this worker: of suspects it holds one at
-- most, as what it held beside one that kills would be blamed with it.
local LOOK_AT = 100
local function takeRange(lane, worker)
  local ready, held, aside, range = K[lane .. 'Ready'], nil, {}, nil
  while not range and #aside < LOOK_AT do
    local item = redis.call('LPOP', ready)
    if not item and lane == 'checks' then
      fillChecks()
      item = redis.call('LPOP', ready)
    end
    if not item then break end
    local i = unpack36(item)
    local image, first, left, attempt, losses, alone = i[1], i[2], i[3], i[4] or 0, i[5] or 0, i[6] or 0
    if isSuspect(losses, alone) and held == nil then held = holdsSuspect(worker) end
    if isSuspect(losses, alone) and held then
      aside[#aside + 1] = item
    else
      local size = math.min(left, alone == 1 and 1 or tonumber(get('rangeSize')))
      if size < left then
        redis.call('LPUSH', ready, packItem(image, first + size, left - size, attempt, losses, alone))
      end
      range = {image = image, cursor = first, ['end'] = first + size, attempt = attempt, losses = losses, alone = alone}
    end
  end
  for index = #aside, 1, -1 do redis.call('LPUSH', ready, aside[index]) end
  return range
end

local function give(token, lane, lease, migration)
  fetch('state', 'definition', 'rangeSize', 'limit.requests', 'limit.bytes', 'startedAt', lane .. '.ready',
    lane .. '.claimed')
  local state = get('state')
  if not state then return {'missing'} end

  local held = readClaim(token)
  if held then
    if held.migration ~= migration then return {'elsewhere', held.migration} end
    if not held.cursor then return {'empty'} end
    redis.call('ZADD', K.leases, now() + held.lease, token)
    return show(token, held)
  end
  if state == 'cancelled' then return {state} end
  -- Where something is ready nothing is finished.
  if tonumber(get(lane .. '.ready')) == 0 then
    if lane == 'checks' and (get('checks.round') == '0' or roundFinished()) then return {'finished'} end
    if lane ~= 'checks' and finished() then return {'finished'} end
  end
  if state == 'paused' then return {state} end

  local claim = takeRange(lane, workerOf(token))
  if not claim then
    local next = redis.call('ZRANGE', K[lane .. 'Delayed'], 0, 0, 'WITHSCORES')
    if not next[2] then return {'empty'} end
    return {'empty', math.max(0, next[2] - now())}
  end
  local size, time = claim['end'] - claim.cursor, now()
  move(lane, 'ready', -size)
  move(lane, 'claimed', size)
  if lane ~= 'checks' and not get('startedAt') then set('startedAt', time) end
  claim.lane, claim.lease, claim.sequence, claim.migration = lane, lease, 0, migration
  writeClaim(token, claim)
  redis.call('ZADD', K.leases, time + lease, token)
  return show(token, claim)
end

local answers = {}
for index = 1, #ARGV, 4 do answers[#answers + 1] = give(ARGV[index], ARGV[index + 1], tonumber(ARGV[index + 2]), ARGV[index + 3]) end
return answers
