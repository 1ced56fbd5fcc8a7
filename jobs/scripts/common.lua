-- Before every script of one migration; K holds its keys by name (jobs/redis-keys.ts).
--
-- item      image:first:count[:attempt[:losses[:alone]]] in base 36, zeros at the end left out. An item may be longer
--           than a range: a claim cuts its range off the front. alone = 1: tile by tile, because workers died on it.
-- delayed   image:first:count:attempt:kind, scored by its due time
-- kind      number of a way to fail; the hash of reasons has status:attempt:reason -> kind
-- failed    field <image in bucket, one digit>first, value kind[-count]{.gap[-count]}: ranges of one kind in ascending
--           order, those after the first by how far they lie behind the one before; a count of 1 is left out
-- claim     lane:image:cursor:end:attempt:losses:alone:lease:sequence:answer:tails:migration; of one that has ended the
--           cursor is empty. tails = where the last failed ranges of each kind are stored, first tiles with commas between
-- attempt   JSON [at, final, lane, image (of a refused one its id), first, count, reason, status, attempt, worker]
-- counters  meta's <lane>.<state> move in the script that moves the state: nothing is ever counted by scanning.

local LANES = {'tiles', 'descriptors', 'checks'}
local POISON_LOSSES = 3
-- A worker that was heard of within so many ms shares the migration's limit.
local LIVE_MS = 5000
-- At least so far apart, so many of them are kept: what the rates of the last minute need.
local SAMPLE_MS, SAMPLES = 1000, 65

-- Fields of meta as they are now: read as they are asked for, false where there is none; what was changed is written by
-- `save`, in one command when the script has ended (jobs/redis-scripts.ts). A command costs as much as ten lines of Lua.
local meta, changed = {}, {}

-- Reads several in one command, those that were not read yet.
local function fetch(...)
  local names = {}
  for _, name in ipairs({...}) do
    if meta[name] == nil then names[#names + 1] = name end
  end
  if #names == 0 then return end
  for index, value in ipairs(redis.call('HMGET', K.meta, unpack(names))) do meta[names[index]] = value end
end

local function get(name)
  if meta[name] == nil then meta[name] = redis.call('HGET', K.meta, name) end
  return meta[name]
end

local function set(name, value)
  meta[name], changed[name] = value, true
end

local function add(name, by)
  if by ~= 0 then set(name, get(name) + by) end
end

local function clear(name)
  if get(name) then set(name, false) end
end

local function save()
  local fields = {}
  for name in pairs(changed) do
    if meta[name] then
      fields[#fields + 1] = name
      fields[#fields + 1] = meta[name]
    else
      redis.call('HDEL', K.meta, name)
    end
  end
  if #fields > 0 then redis.call('HSET', K.meta, unpack(fields)) end
end

-- Stands still while a script runs.
local time
local function now()
  if not time then
    local parts = redis.call('TIME')
    time = parts[1] * 1000 + math.floor(parts[2] / 1000)
  end
  return time
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
  add(lane .. '.' .. state, by)
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
  if get('planClosed') ~= '1' or get('state') == 'cancelled' then return false end
  for _, lane in ipairs({'tiles', 'descriptors'}) do
    local settled = get(lane .. '.done') + get(lane .. '.skipped') + get(lane .. '.failed')
    if tonumber(get(lane .. '.total')) ~= settled then return false end
  end
  return true
end

local function noteFinish()
  if finished() and not get('finishedAt') then set('finishedAt', now()) end
end

-- Whether there was a round of verification and all its checks are settled.
local function roundFinished()
  if get('checks.round') == '0' or get('state') == 'cancelled' then return false end
  return tonumber(get('checks.total')) == get('checks.done') + get('checks.skipped') + get('checks.failed')
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

local CLAIM = {'lane', 'image', 'cursor', 'end', 'attempt', 'losses', 'alone', 'lease', 'sequence', 'answer', 'tails',
  'migration'}
local CLAIM_PATTERN = '^' .. string.rep('([^:]*):', #CLAIM - 1) .. '(.*)$'

-- The record of a claim, also of one that has ended (then it has no cursor); nil if there is none.
local function readClaim(token)
  local text = redis.call('GET', K.claimOf .. token)
  if not text then return nil end
  local claim, values = {}, {text:match(CLAIM_PATTERN)}
  for index, name in ipairs(CLAIM) do claim[name] = values[index] end
  for index = 2, 9 do claim[CLAIM[index]] = tonumber(values[index]) end
  return claim
end

local function packClaim(claim)
  local values = {}
  for index, name in ipairs(CLAIM) do values[index] = claim[name] or '' end
  return table.concat(values, ':')
end

local function writeClaim(token, claim)
  redis.call('SET', K.claimOf .. token, packClaim(claim))
end

-- What an ended claim is remembered by for so many ms, so that its last checkpoint may be said again.
local function endClaim(token, claim, rememberMs)
  redis.call('ZREM', K.leases, token)
  local ended = {lane = claim.lane, sequence = claim.sequence, answer = claim.answer, migration = claim.migration}
  redis.call('SET', K.claimOf .. token, packClaim(ended), 'PX', rememberMs)
end

-- The rest of a claim goes back to ready, to the front; in a cancelled migration it leaves the work.
local function giveBack(claim, losses, alone)
  local count = claim['end'] - claim.cursor
  if count == 0 then return end
  move(claim.lane, 'claimed', -count)
  if get('state') == 'cancelled' then return move(claim.lane, 'total', -count) end
  move(claim.lane, 'ready', count)
  redis.call('LPUSH', K[claim.lane .. 'Ready'],
    packItem(claim.image, claim.cursor, count, claim.attempt, losses, alone))
end

-- A claim was lost, and what is left of it is handed out again.
local function countLoss(claim)
  if claim.lane ~= 'checks' then add('reclaimed', claim['end'] - claim.cursor) end
end

local function forgetClaim(token)
  redis.call('DEL', K.claimOf .. token)
  redis.call('ZREM', K.leases, token)
end
