-- Before the scripts that store failures or put them back, after common.lua: ranges of one kind share a value while they
-- fit, so that single tiles here and there take some bytes each.

-- Images whose failures share a hash (jobs/redis-keys.ts).
local FAILURES = 64
-- A value gets no further range beyond so many bytes: Redis keeps those of up to 64 packed, and the last range may grow.
local ROOM = 57
-- Kinds of failures for which a claim remembers where the last is.
local TAILS = 4

local function failuresKey(lane, image)
  return K[lane .. 'FailedOf'] .. math.floor(image / FAILURES)
end

-- One digit for each of them.
local PLACES = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_'
local function failuresField(image, first)
  local place = image % FAILURES + 1
  return PLACES:sub(place, place) .. b36(first)
end

-- Answers the image's place in its bucket and the first tile.
local function unpackField(field)
  return PLACES:find(field:sub(1, 1), 1, true) - 1, tonumber(field:sub(2), 36)
end

-- The number of a way to fail.
local kinds = {}
local function kindOf(range)
  local name = range.status .. ':' .. range.attempt .. ':' .. range.reason
  if not kinds[name] then
    kinds[name] = tonumber(redis.call('HGET', K.reasons, name) or redis.call('HLEN', K.reasons))
    redis.call('HSETNX', K.reasons, name, kinds[name])
  end
  return kinds[name]
end

-- The reason of each kind.
local function reasonsOfKinds()
  local reasons, flat = {}, redis.call('HGETALL', K.reasons)
  for index = 1, #flat, 2 do reasons[tonumber(flat[index + 1])] = flat[index]:match('^%d+:%d+:(.*)$') end
  return reasons
end

local function sized(text, count)
  return count == 1 and text or text .. '-' .. b36(count)
end

-- How a range is written behind one that ends before `past`.
local function behind(past, range)
  return sized('.' .. b36(range[1] - past), range[2])
end

-- ranges: of each its first tile and how many, ascending
local function packFailures(kind, ranges)
  local parts = {sized(b36(kind), ranges[1][2])}
  for index = 2, #ranges do
    local last = ranges[index - 1]
    parts[index] = behind(last[1] + last[2], ranges[index])
  end
  return table.concat(parts)
end

-- Answers the kind and the ranges.
local function unpackFailures(first, value)
  local kind, size, more = value:match('^(%w+)%-?(%w*)(.*)$')
  local ranges = {{first, size == '' and 1 or tonumber(size, 36)}}
  for gap, count in more:gmatch('%.(%w+)%-?(%w*)') do
    local last = ranges[#ranges]
    ranges[#ranges + 1] = {last[1] + last[2] + tonumber(gap, 36), count == '' and 1 or tonumber(count, 36)}
  end
  return tonumber(kind, 36), ranges
end

-- The failures of one image as they are stored: of each value its field, kind and ranges.
local function failuresOf(lane, image)
  local stored, found = redis.call('HGETALL', failuresKey(lane, image)), {}
  for index = 1, #stored, 2 do
    local place, first = unpackField(stored[index])
    if place == image % FAILURES then
      local kind, ranges = unpackFailures(first, stored[index + 1])
      found[#found + 1] = {field = stored[index], kind = kind, ranges = ranges}
    end
  end
  return found
end

local function sizeOf(ranges)
  local sum = 0
  for _, range in ipairs(ranges) do sum = sum + range[2] end
  return sum
end

-- Stores failed ranges of one image, each with the last of its kind by the same claim if there is room. `tails`: where the
-- last are (claim.tails; '' = none). Answers where they are now.
local function fail(lane, image, failed, tails)
  if #failed == 0 then return tails end
  local key, fields, open, sums = failuresKey(lane, image), {}, {}, {}
  local function store(kind, ranges)
    fields[#fields + 1] = failuresField(image, ranges[1][1])
    fields[#fields + 1] = packFailures(kind, ranges)
  end
  for first in tails:gmatch('%d+') do
    local value = redis.call('HGET', key, failuresField(image, tonumber(first)))
    if value then
      local kind, ranges = unpackFailures(tonumber(first), value)
      open[kind] = {ranges = ranges, length = #value}
    end
  end

  for _, range in ipairs(failed) do
    local first, count = range.first, range.count
    local kind, added = kindOf(range), {first, count}
    sums[range.reason] = (sums[range.reason] or 0) + count
    local chain = open[kind]
    local last = chain and chain.ranges[#chain.ranges]
    local past = last and last[1] + last[2]
    local text = past and past < first and behind(past, added)
    if past == first then
      chain.length = chain.length + #sized('', last[2] + count) - #sized('', last[2])
      last[2] = last[2] + count
    elseif text and chain.length + #text <= ROOM then
      chain.ranges[#chain.ranges + 1] = added
      chain.length = chain.length + #text
    else
      if chain and chain.changed then store(kind, chain.ranges) end
      chain = {ranges = {added}, length = #packFailures(kind, {added})}
      open[kind] = chain
    end
    chain.changed = true
  end

  local firsts, total = {}, 0
  for kind, chain in pairs(open) do
    if chain.changed then store(kind, chain.ranges) end
    if #firsts < TAILS then firsts[#firsts + 1] = chain.ranges[1][1] end
  end
  for from = 1, #fields, 1000 do redis.call('HSET', key, unpack(fields, from, math.min(from + 999, #fields))) end
  local bucket = math.floor(image / FAILURES)
  redis.call('ZADD', K[lane .. 'Failed'], bucket, bucket)
  for reason, sum in pairs(sums) do
    if lane ~= 'checks' then countReason(reason, sum) end
    total = total + sum
  end
  move(lane, 'failed', total)
  return table.concat(firsts, ',')
end
