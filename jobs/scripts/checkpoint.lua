#!lua flags=allow-oom
-- ARGV: token, sequence, next, bytes, done, skipped, failed (JSON), delayed (JSON), digest ('' = nothing), release,
-- and for how long an ended claim is remembered, in ms. Answers missing, bad, lost, kept, ended or pausing.
local token, sequence, next = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local done, skipped = tonumber(ARGV[5]), tonumber(ARGV[6])
local failed, delayed = cjson.decode(ARGV[7]), cjson.decode(ARGV[8])
local state = redis.call('HGET', K.meta, 'state')
if not state then return 'missing' end
local claim = readClaim(token)
if not claim then return 'lost' end
if sequence <= claim.sequence then return claim.answer end
if not claim.cursor then return 'lost' end

-- Redis lost the checkpoints between (jobs/redis-queue.ts): what they settled was forgotten with their counts, so
-- everything from the cursor on is copied again.
if sequence > claim.sequence + 1 then
  redis.call('HINCRBY', K.meta, 'reclaimed', claim['end'] - claim.cursor)
  giveBack(claim, claim.losses, claim.alone)
  forgetClaim(token)
  return 'lost'
end

local lane, image = claim.lane, claim.image
local failedCount, delayedCount = 0, 0
for _, range in ipairs(failed) do failedCount = failedCount + range.count end
for _, range in ipairs(delayed) do delayedCount = delayedCount + range.count end
local settled = done + skipped + failedCount + delayedCount
if claim.cursor + settled ~= next or next > claim['end'] then return 'bad' end

local time = now()
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
redis.call('HINCRBY', K.meta, 'bytes', ARGV[4])

if ARGV[9] ~= '' then
  local function xored(key, field)
    local old = redis.call('HGET', key, field)
    local bytes = {}
    for index = 1, 16 do
      local byte = tonumber(ARGV[9]:sub(2 * index - 1, 2 * index), 16)
      bytes[index] = string.char(bit.bxor(byte, old and old:byte(index) or 0))
    end
    redis.call('HSET', key, field, table.concat(bytes))
  end
  xored(rowOf(K.digestOf, image))
  xored(K.meta, 'digest')
end

if lane == 'descriptors' then
  if done + skipped > 0 then redis.call('HINCRBY', K.meta, 'published', done + skipped) end
else
  imageMoved(image, done + skipped, failedCount)
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
  redis.call('PEXPIRE', key, ARGV[11])
else
  redis.call('HSET', key, 'cursor', next, 'losses', claim.losses, 'sequence', sequence, 'answer', answer)
  if tail then redis.call('HSET', key, 'tail', tail) end
  redis.call('ZADD', K.leases, time + claim.lease, token)
end
noteFinish()
return answer
