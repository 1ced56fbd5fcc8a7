#!lua flags=allow-oom
-- ARGV: token, sequence, next, bytes, done, skipped, failed (JSON), delayed (JSON), digest ('' = nothing), release,
-- what was found ('' but in lane checks: blind and restart, each 0 or 1), and for how long an ended claim is remembered,
-- in ms. Answers missing or bad, else lost, kept, ended or pausing, and the worker's share of requests and of bytes.
local token, sequence, next = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local bytes, done, skipped = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local failed, delayed = cjson.decode(ARGV[7]), cjson.decode(ARGV[8])
local meta = redis.call('HMGET', K.meta, 'state', 'limit.requests', 'limit.bytes', 'sampledAt',
  'tiles.done', 'tiles.skipped', 'tiles.failed', 'bytes')
local state = meta[1]
if not state then return 'missing' end
local requests, bandwidth = share(token, meta[2], meta[3])
local claim = readClaim(token)
if not claim then return {'lost', requests, bandwidth} end
if sequence <= claim.sequence then return {claim.answer, requests, bandwidth} end
if not claim.cursor then return {'lost', requests, bandwidth} end
local lane, image = claim.lane, claim.image

-- Redis lost the checkpoints between (jobs/redis-queue.ts): what they settled was forgotten with their counts, so
-- everything from the cursor on is copied again.
if sequence > claim.sequence + 1 then
  countLoss(claim)
  giveBack(claim, claim.losses, claim.alone)
  forgetClaim(token)
  return {'lost', requests, bandwidth}
end

local failedCount, delayedCount = 0, 0
for _, range in ipairs(failed) do failedCount = failedCount + range.count end
for _, range in ipairs(delayed) do delayedCount = delayedCount + range.count end
local settled = done + skipped + failedCount + delayedCount
if claim.cursor + settled ~= next or next > claim['end'] then return 'bad' end
if (lane == 'checks') ~= (ARGV[11] ~= '') then return 'bad' end

local time = now()
if lane ~= 'checks' and time >= meta[4] + SAMPLE_MS then
  redis.call('HSET', K.meta, 'sampledAt', time)
  redis.call('RPUSH', K.samples, string.format('%d:%d:%s', time, meta[5] + meta[6] + meta[7], meta[8]))
  redis.call('LTRIM', K.samples, -SAMPLES, -1)
end

local tail = claim.tail
for _, range in ipairs(failed) do
  tail = fail(lane, image, range.first, range.count, range.reason, range.status, range.attempt, tail)
end
move(lane, 'claimed', -settled)
move(lane, 'done', done)
move(lane, 'skipped', skipped)
if state == 'cancelled' then
  move(lane, 'total', -delayedCount)
else
  move(lane, 'delayed', delayedCount)
  for _, range in ipairs(delayed) do
    redis.call('ZADD', K[lane .. 'Delayed'], time + range.delayMs, pack(image, range.first, range.count,
      range.attempt, reasonNumber(range.reason), range.status))
  end
end

-- What is delayed in a cancelled migration is not tried again.
remember(time, lane, image, delayed, state == 'cancelled', workerOf(token))
remember(time, lane, image, failed, true, workerOf(token))

local digest = ARGV[9] ~= '' and digestOf(ARGV[9])
if lane == 'checks' then
  -- Which items were skipped only the worker knows: the first of them, it is taken.
  local whole = done == 0 and skipped > 0 and tilesOfRow(ofImage(K.rowsOf, image))
  for _, range in ipairs(delayed) do
    if whole == range.first + range.count - 1 then whole = nil end
  end
  checksMoved(image, settled - delayedCount, failedCount, ARGV[11]:sub(1, 1) == '1', ARGV[11]:sub(2, 2) == '1',
    digest, whole == next - 1)
else
  if bytes > 0 then
    redis.call('HINCRBY', K.meta, 'bytes', bytes)
    count(K.bytesOf, image, bytes)
  end
  if digest then moveDigest(image, digest) end
end

if lane == 'descriptors' then
  if done > 0 then addMark(image, STORED) end
  if skipped > 0 then addMark(image, SKIPPED) end
elseif lane == 'tiles' then
  count(K.skippedOf, image, skipped)
  tilesMoved(image, done + skipped, failedCount)
  local inRun = redis.call('HINCRBY', K.meta, 'settledInRun', settled - delayedCount)
  local failedInRun = redis.call('HINCRBY', K.meta, 'failedInRun', failedCount)
  local limit = redis.call('HMGET', K.meta, 'stopAfterFailures', 'stopAfterTiles')
  if state == 'running' and inRun >= tonumber(limit[2]) and failedInRun > limit[1] * inRun then
    state = 'paused'
    local last = failed[#failed]
    redis.call('HSET', K.meta, 'state', state, 'reason', string.format(
      '%d of %d tiles failed (more than %g %%), the last with %s', failedInRun, inRun, limit[1] * 100,
      last and last.reason or 'worker-died'))
  end
end

claim.cursor = next
if settled > 0 then claim.losses = 0 end
local answer = state == 'running' and 'kept' or 'pausing'
local key = K.claimOf .. token
if ARGV[10] == '1' or next == claim['end'] then
  answer = 'ended'
  giveBack(claim, claim.losses, claim.alone)
  forgetClaim(token)
  redis.call('HSET', key, 'migration', claim.migration, 'sequence', sequence, 'answer', answer)
  redis.call('PEXPIRE', key, ARGV[12])
else
  redis.call('HSET', key, 'cursor', next, 'losses', claim.losses, 'sequence', sequence, 'answer', answer)
  if tail then redis.call('HSET', key, 'tail', tail) end
  redis.call('ZADD', K.leases, time + claim.lease, token)
end
-- While a claim is kept, something is left.
if answer == 'ended' and lane ~= 'checks' then noteFinish() end
return {answer, requests, bandwidth}
