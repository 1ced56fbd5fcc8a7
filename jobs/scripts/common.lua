-- Shared by every script of one migration; K holds its keys by name (jobs/redis-keys.ts).
--
-- item      image:first:count[:attempt[:losses[:alone]]] in base 36, zeros at the end left out. An item may be longer
--           than a range: a claim cuts its range off the front. alone = 1: tile by tile, because workers died on it.
-- delayed   image:first:count:attempt:reason:status, scored by its due time
-- failed    field <image in bucket>:first, value count:reason:status:attempt
-- counters  meta's <lane>.<state> move in the script that moves the state: nothing is ever counted by scanning.

local LANES = {'tiles', 'descriptors', 'checks'}
local POISON_LOSSES = 3

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

local function rowOf(stem, image)
  return stem .. math.floor(image / 256), image % 256
end

local function move(lane, state, by)
  if by ~= 0 then redis.call('HINCRBY', K.meta, lane .. '.' .. state, by) end
end

-- Counts a failure's reason; a reason nothing has failed with is not listed.
local function countReason(reason, by)
  if redis.call('HINCRBY', K.failures, reason, by) == 0 then redis.call('HDEL', K.failures, reason) end
end

local function reasonNumber(reason)
  local number = redis.call('HGET', K.reasons, reason)
  if number then return tonumber(number) end
  number = redis.call('HLEN', K.reasons)
  redis.call('HSET', K.reasons, reason, number)
  return number
end

local function finished()
  local meta = redis.call('HMGET', K.meta, 'planClosed', 'state',
    'tiles.total', 'tiles.done', 'tiles.skipped', 'tiles.failed',
    'descriptors.total', 'descriptors.done', 'descriptors.skipped', 'descriptors.failed')
  if meta[1] ~= '1' or meta[2] == 'cancelled' then return false end
  for index = 3, 10 do meta[index] = tonumber(meta[index]) end
  return meta[4] + meta[5] + meta[6] == meta[3] and meta[8] + meta[9] + meta[10] == meta[7]
end

local function noteFinish()
  if finished() then redis.call('HSETNX', K.meta, 'finishedAt', now()) end
end

-- Tiles of an image were stored or failed, or (by < 0) failed ones go back to ready. The last stored tile releases
-- the image's descriptor; an image with nothing left but failed tiles is withheld.
local function imageMoved(image, stored, failed)
  local openKey, field = rowOf(K.openOf, image)
  local badKey = rowOf(K.badOf, image)
  local open = tonumber(redis.call('HGET', openKey, field))
  local bad = tonumber(redis.call('HGET', badKey, field) or 0)
  local wasWithheld = bad > 0 and open == bad
  if stored ~= 0 then open = redis.call('HINCRBY', openKey, field, -stored) end
  if failed ~= 0 then
    bad = redis.call('HINCRBY', badKey, field, failed)
    if bad == 0 then redis.call('HDEL', badKey, field) end
  end
  local isWithheld = bad > 0 and open == bad
  if isWithheld ~= wasWithheld then redis.call('HINCRBY', K.meta, 'withheld', isWithheld and 1 or -1) end
  if open == 0 then
    redis.call('HDEL', openKey, field)
    if redis.call('HGET', K.meta, 'state') ~= 'cancelled' then
      redis.call('RPUSH', K.descriptorsReady, packItem(image, 0, 1, 0, 0, 0))
      move('descriptors', 'total', 1)
      move('descriptors', 'ready', 1)
    end
  end
end

-- Stores failed tiles of one image; joins the range before it, stored under `tail` by the same claim, if it failed alike.
-- Answers under which first tile they are stored now.
local function fail(lane, image, first, count, reason, status, attempt, tail)
  local bucket = math.floor(image / 16)
  local key = K[lane .. 'FailedOf'] .. bucket
  local prefix = b36(image % 16) .. ':'
  local number = reasonNumber(reason)
  countReason(reason, count)
  move(lane, 'failed', count)
  if tail then
    local last = redis.call('HGET', key, prefix .. b36(tail))
    if last then
      local f = unpack36(last)
      if tail + f[1] == first and f[2] == number and f[3] == status and f[4] == attempt then
        redis.call('HSET', key, prefix .. b36(tail), pack(f[1] + count, number, status, attempt))
        return tail
      end
    end
  end
  redis.call('HSET', key, prefix .. b36(first), pack(count, number, status, attempt))
  redis.call('ZADD', K[lane .. 'Failed'], bucket, bucket)
  return first
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

local function forgetClaim(token)
  redis.call('DEL', K.claimOf .. token)
  redis.call('ZREM', K.leases, token)
end
