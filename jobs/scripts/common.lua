-- Before every script of one migration; K holds its keys by name (jobs/redis-keys.ts).
--
-- item      image:first:count[:attempt[:losses[:alone]]] in base 36, zeros at the end left out. An item may be longer
--           than a range: a claim cuts its range off the front. alone = 1: tile by tile, because workers died on it.
-- delayed   image:first:count:attempt:reason:status, scored by its due time
-- failed    field <image in bucket>:first, value count:reason:status:attempt
-- attempt   JSON [at, final, lane, image (of a refused one its id), first, count, reason, status, attempt, worker]
-- counters  meta's <lane>.<state> move in the script that moves the state: nothing is ever counted by scanning.

local LANES = {'tiles', 'descriptors', 'checks'}
local POISON_LOSSES = 3
-- A worker that was heard of within so many ms shares the migration's limit.
local LIVE_MS = 5000
-- At least so far apart, so many of them are kept: what the rates of the last minute need.
local SAMPLE_MS, SAMPLES = 1000, 65

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function runOfRedis()
  return redis.call('INFO', 'server'):match('run_id:(%x+)')
end

local DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
local function b36(number)
  local text = ''
  repeat
    local digit = number % 36
    text = DIGITS:sub(digit + 1, digit + 1) .. text
    number = (number - digit) / 36
  until number == 0
  return text
end

local function pack(...)
  local fields = {...}
  for index, number in ipairs(fields) do fields[index] = b36(number) end
  return table.concat(fields, ':')
end

local function unpack36(text)
  local numbers = {}
  for field in text:gmatch('[^:]+') do numbers[#numbers + 1] = tonumber(field, 36) end
  return numbers
end

local function packItem(image, first, count, attempt, losses, alone)
  if alone > 0 then return pack(image, first, count, attempt, losses, alone) end
  if losses > 0 then return pack(image, first, count, attempt, losses) end
  if attempt > 0 then return pack(image, first, count, attempt) end
  return pack(image, first, count)
end

-- Key and field of an image in one of the hashes of 256 images each.
local function rowOf(stem, image)
  return stem .. math.floor(image / 256), image % 256
end

local function ofImage(stem, image)
  return redis.call('HGET', rowOf(stem, image))
end

-- A digest is 16 raw bytes.
local WORDS = '>I4I4I4I4'
local NO_DIGEST = string.rep('\0', 16)
local function hexOf(digest)
  return string.format('%08x%08x%08x%08x', struct.unpack(WORDS, digest))
end

local function move(lane, state, by)
  if by ~= 0 then redis.call('HINCRBY', K.meta, lane .. '.' .. state, by) end
end

-- Counts a failure's reason; a reason nothing has failed with is not listed.
local function countReason(reason, by)
  if redis.call('HINCRBY', K.failures, reason, by) == 0 then redis.call('HDEL', K.failures, reason) end
end

-- Remembers attempts that failed, ranges of one image or refused ones with an image each, the last as the newest. However
-- many there are: only so many are written.
local ATTEMPTS = 200
local function remember(time, lane, image, ranges, final, worker)
  if #ranges == 0 then return end
  local records = {}
  for index = math.max(1, #ranges - ATTEMPTS + 1), #ranges do
    local range = ranges[index]
    records[#records + 1] = cjson.encode({time, final, lane, image or range.image, range.first, range.count,
      range.reason, range.status, range.attempt, worker})
  end
  redis.call('LPUSH', K.attempts, unpack(records))
  redis.call('LTRIM', K.attempts, 0, ATTEMPTS - 1)
end

local function finished()
  local meta = redis.call('HMGET', K.meta, 'planClosed', 'state',
    'tiles.total', 'tiles.done', 'tiles.skipped', 'tiles.failed',
    'descriptors.total', 'descriptors.done', 'descriptors.skipped', 'descriptors.failed')
  if meta[1] ~= '1' or meta[2] == 'cancelled' then return false end
  return tonumber(meta[3]) == meta[4] + meta[5] + meta[6] and tonumber(meta[7]) == meta[8] + meta[9] + meta[10]
end

local function noteFinish()
  if finished() then redis.call('HSETNX', K.meta, 'finishedAt', now()) end
end

-- Whether there was a round of verification and all its checks are settled.
local function roundFinished()
  local meta = redis.call('HMGET', K.meta, 'checks.round', 'state',
    'checks.total', 'checks.done', 'checks.skipped', 'checks.failed')
  if meta[1] == '0' or meta[2] == 'cancelled' then return false end
  return tonumber(meta[3]) == meta[4] + meta[5] + meta[6]
end

-- A token is its worker's id and a counter.
local function workerOf(token)
  return token:match('^(.*)%-') or token
end

-- The worker of this token was heard of. Answers its part of the migration's limit, as two texts, '' = none.
local function share(token, requests, bytes)
  if requests == '' and bytes == '' then return '', '' end
  local time = now()
  redis.call('ZADD', K.live, time, workerOf(token))
  redis.call('ZREMRANGEBYSCORE', K.live, '-inf', time - LIVE_MS)
  local live = redis.call('ZCARD', K.live)
  local function part(cap)
    return cap == '' and cap or string.format('%.17g', cap / live)
  end
  return part(requests), part(bytes)
end

local CLAIM = {'migration', 'lane', 'image', 'cursor', 'end', 'attempt', 'losses', 'alone', 'lease', 'sequence',
  'answer', 'tail'}

-- The record of a claim, also of one that has ended (then it has no cursor); nil if there is none.
local function readClaim(token)
  local values = redis.call('HMGET', K.claimOf .. token, unpack(CLAIM))
  if not values[1] then return nil end
  local claim = {}
  for index, name in ipairs(CLAIM) do
    local value = values[index]
    claim[name] = value and (tonumber(value) or value) or nil
  end
  claim.migration = values[1]
  return claim
end

-- The rest of a claim goes back to ready, to the front; in a cancelled migration it leaves the work.
local function giveBack(claim, losses, alone)
  local count = claim['end'] - claim.cursor
  if count == 0 then return end
  move(claim.lane, 'claimed', -count)
  if redis.call('HGET', K.meta, 'state') == 'cancelled' then return move(claim.lane, 'total', -count) end
  move(claim.lane, 'ready', count)
  redis.call('LPUSH', K[claim.lane .. 'Ready'],
    packItem(claim.image, claim.cursor, count, claim.attempt, losses, alone))
end

-- A claim was lost, and what is left of it is handed out again.
local function countLoss(claim)
  if claim.lane ~= 'checks' then redis.call('HINCRBY', K.meta, 'reclaimed', claim['end'] - claim.cursor) end
end

local function forgetClaim(token)
  redis.call('DEL', K.claimOf .. token)
  redis.call('ZREM', K.leases, token)
end
