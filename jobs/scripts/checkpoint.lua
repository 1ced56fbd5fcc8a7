#!lua flags=allow-oom
-- ARGV: twelve for each checkpoint: token, sequence, next, bytes, done, skipped, failed (JSON), delayed (JSON), digest (16 raw
-- bytes; of these three '' = nothing), release, what was found ('' but in lane checks: blind and restart, each 0 or 1), and
-- for how long an ended claim is remembered, in ms. Answers of each missing or bad, else lost, kept, ended or pausing, and
-- the worker's share of requests and of bytes.
local ended = false
local function settle(token, sequence, next, bytes, done, skipped, failed, delayed, digest, release, found, rememberMs)
  sequence, next, bytes = tonumber(sequence), tonumber(next), tonumber(bytes)
  done, skipped = tonumber(done), tonumber(skipped)
  failed = failed == '' and {} or cjson.decode(failed)
  delayed = delayed == '' and {} or cjson.decode(delayed)
  local claim = readClaim(token)
  if claim then
    fetch('state', 'limit.requests', 'limit.bytes', 'sampledAt', 'bytes', 'digest', 'planClosed', 'settledInRun',
      'failedInRun', 'stopAfterFailures', 'stopAfterTiles', 'tiles.total', 'tiles.done', 'tiles.skipped', 'tiles.failed',
      'descriptors.total', 'descriptors.ready', 'descriptors.done', 'descriptors.skipped', 'descriptors.failed',
      claim.lane .. '.claimed')
  end
  local state = get('state')
  if not state then return 'missing' end
  local requests, bandwidth = share(token, get('limit.requests'), get('limit.bytes'))
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
  if (lane == 'checks') ~= (found ~= '') then return 'bad' end

  local time = now()
  if lane ~= 'checks' and time >= get('sampledAt') + SAMPLE_MS then
    set('sampledAt', time)
    redis.call('RPUSH', K.samples, string.format('%d:%d:%s', time,
      get('tiles.done') + get('tiles.skipped') + get('tiles.failed'), get('bytes')))
    redis.call('LTRIM', K.samples, -SAMPLES, -1)
  end

  claim.tails = fail(lane, image, failed, claim.tails)
  move(lane, 'claimed', -settled)
  move(lane, 'done', done)
  move(lane, 'skipped', skipped)
  if state == 'cancelled' then
    move(lane, 'total', -delayedCount)
  else
    move(lane, 'delayed', delayedCount)
    for _, range in ipairs(delayed) do
      redis.call('ZADD', K[lane .. 'Delayed'], time + range.delayMs, pack(image, range.first, range.count,
        range.attempt, kindOf(range)))
    end
  end

  -- What is delayed in a cancelled migration is not tried again.
  remember(time, lane, image, delayed, state == 'cancelled', workerOf(token))
  remember(time, lane, image, failed, true, workerOf(token))

  digest = digest ~= '' and digest
  if lane == 'checks' then
    -- Which items were skipped only the worker knows: the first of them, it is taken.
    local whole = done == 0 and skipped > 0 and tilesOfRow(ofImage(K.rowsOf, image))
    for _, range in ipairs(delayed) do
      if whole == range.first + range.count - 1 then whole = nil end
    end
    checksMoved(image, settled - delayedCount, failedCount, found:sub(1, 1) == '1', found:sub(2, 2) == '1',
      digest, whole == next - 1)
  else
    if bytes > 0 then
      add('bytes', bytes)
      count(K.bytesOf, image, bytes)
    end
    if digest then moveDigest(image, digest) end
  end

  if lane == 'descriptors' then
    if done > 0 then addMark(image, STORED) end
    if skipped > 0 then addMark(image, SKIPPED) end
  elseif lane == 'tiles' then
    if skipped > 0 then count(K.skippedOf, image, skipped) end
    tilesMoved(image, done + skipped, failedCount)
    add('settledInRun', settled - delayedCount)
    add('failedInRun', failedCount)
    local inRun, failedInRun, limit = tonumber(get('settledInRun')), tonumber(get('failedInRun')), get('stopAfterFailures')
    if state == 'running' and inRun >= tonumber(get('stopAfterTiles')) and failedInRun > limit * inRun then
      state = 'paused'
      local last = failed[#failed]
      set('state', state)
      set('reason', string.format('%d of %d tiles failed (more than %g %%), the last with %s', failedInRun, inRun,
        limit * 100, last and last.reason or 'worker-died'))
    end
  end

  claim.cursor, claim.sequence = next, sequence
  if settled > 0 then claim.losses = 0 end
  claim.answer = state == 'running' and 'kept' or 'pausing'
  if release == '1' or next == claim['end'] then
    claim.answer = 'ended'
    giveBack(claim, claim.losses, claim.alone)
    endClaim(token, claim, rememberMs)
  else
    writeClaim(token, claim)
    redis.call('ZADD', K.leases, time + claim.lease, token)
  end
  -- While a claim is kept, something is left.
  if claim.answer == 'ended' and lane ~= 'checks' then ended = true end
  return {claim.answer, requests, bandwidth}
end

local answers = {}
for index = 1, #ARGV, 12 do answers[#answers + 1] = settle(unpack(ARGV, index, index + 11)) end
if ended then noteFinish() end
return answers
