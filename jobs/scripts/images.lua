-- Before the scripts that settle tiles and descriptors or put them back: what becomes of their images.
--
-- marksOf   number of the flags below, added up
-- digestOf  16 raw bytes

local RELEASED, STORED, SKIPPED, LOOK_FIRST = 1, 2, 4, 8
local function marked(mark, flag)
  return mark % (2 * flag) >= flag
end

local function markOf(image)
  return tonumber(ofImage(K.marksOf, image) or 0)
end

local function addMark(image, flag)
  local key, field = rowOf(K.marksOf, image)
  redis.call('HINCRBY', key, field, flag)
end

-- Adds to a number kept of an image, which is not kept while it is 0; answers it.
local function count(stem, image, by)
  local key, field = rowOf(stem, image)
  if by == 0 then return tonumber(redis.call('HGET', key, field) or 0) end
  local sum = redis.call('HINCRBY', key, field, by)
  if sum == 0 then redis.call('HDEL', key, field) end
  return sum
end

local function xor(a, b)
  local a1, a2, a3, a4 = struct.unpack(WORDS, a)
  local b1, b2, b3, b4 = struct.unpack(WORDS, b)
  return struct.pack(WORDS, bit.bxor(a1, b1), bit.bxor(a2, b2), bit.bxor(a3, b3), bit.bxor(a4, b4))
end

local function digestOf(hex)
  local words = {}
  for index = 1, 4 do words[index] = tonumber(hex:sub(8 * index - 7, 8 * index), 16) end
  return struct.pack(WORDS, unpack(words))
end

local function moveDigest(image, by)
  local key, field = rowOf(K.digestOf, image)
  redis.call('HSET', key, field, xor(redis.call('HGET', key, field) or NO_DIGEST, by))
  redis.call('HSET', K.meta, 'digest', xor(redis.call('HGET', K.meta, 'digest') or NO_DIGEST, by))
end

-- How many tiles the image with this packed row has (the arithmetic of jobs/pyramid.ts, from the full image down).
local function tilesOfRow(row)
  local width, height, size = row:match('^(%w+):(%w+):(%w+):')
  width, height, size = tonumber(width, 36), tonumber(height, 36), tonumber(size, 36)
  local tiles = 0
  while true do
    tiles = tiles + math.ceil(width / size) * math.ceil(height / size)
    if width <= 1 and height <= 1 then return tiles end
    width, height = math.ceil(width / 2), math.ceil(height / 2)
  end
end

-- The descriptor comes into ready, once for each image: it is marked.
local function release(image)
  addMark(image, RELEASED)
  redis.call('RPUSH', K.descriptorsReady, packItem(image, 0, 1, 0, 0, 0))
  move('descriptors', 'total', 1)
  move('descriptors', 'ready', 1)
end

-- Tiles of an image were stored or failed, or (by < 0) failed ones go back to ready. The last stored tile releases
-- the image's descriptor; an image with nothing left but failed tiles is withheld, or published as it is.
local function tilesMoved(image, stored, failed)
  local open, bad = count(K.openOf, image, -stored), count(K.badOf, image, failed)
  local wasLeft, isLeft = bad > failed and open + stored == bad - failed, bad > 0 and open == bad
  if wasLeft == isLeft and open > 0 then return end
  if marked(markOf(image), RELEASED) then
    if open == 0 then redis.call('HINCRBY', K.meta, 'incomplete', -1) end
    return
  end
  local meta = redis.call('HMGET', K.meta, 'state', 'whenIncomplete')
  local works = meta[1] ~= 'cancelled'
  if wasLeft then
    redis.call('HINCRBY', K.meta, 'withheld', -1)
  elseif isLeft and works and meta[2] == 'publish' then
    redis.call('HINCRBY', K.meta, 'incomplete', 1)
    release(image)
  elseif isLeft then
    redis.call('HINCRBY', K.meta, 'withheld', 1)
  end
  if open == 0 and works then release(image) end
end

local function reasonNumber(reason)
  local number = redis.call('HGET', K.reasons, reason)
  if number then return tonumber(number) end
  number = redis.call('HLEN', K.reasons)
  redis.call('HSET', K.reasons, reason, number)
  return number
end

local function reasonNames()
  local names, flat = {}, redis.call('HGETALL', K.reasons)
  for index = 1, #flat, 2 do names[tonumber(flat[index + 1])] = flat[index] end
  return names
end

-- Stores failed tiles of one image; joins the range before it, stored under `tail` by the same claim, if it failed alike.
-- Answers under which first tile they are stored now.
local function fail(lane, image, first, size, reason, status, attempt, tail)
  local bucket = math.floor(image / 16)
  local key = K[lane .. 'FailedOf'] .. bucket
  local prefix = b36(image % 16) .. ':'
  local number = reasonNumber(reason)
  if lane ~= 'checks' then countReason(reason, size) end
  move(lane, 'failed', size)
  if tail then
    local last = redis.call('HGET', key, prefix .. b36(tail))
    if last then
      local f = unpack36(last)
      if tail + f[1] == first and f[2] == number and f[3] == status and f[4] == attempt then
        redis.call('HSET', key, prefix .. b36(tail), pack(f[1] + size, number, status, attempt))
        return tail
      end
    end
  end
  redis.call('HSET', key, prefix .. b36(first), pack(size, number, status, attempt))
  redis.call('ZADD', K[lane .. 'Failed'], bucket, bucket)
  return first
end

-- The failures of one image as they are stored: field, its first number, and the numbers of its value.
local function failuresOf(lane, image)
  local stored = redis.call('HGETALL', K[lane .. 'FailedOf'] .. math.floor(image / 16))
  local found, place = {}, image % 16
  for index = 1, #stored, 2 do
    local f = unpack36(stored[index])
    if f[1] == place then found[#found + 1] = {stored[index], f[2], unpack36(stored[index + 1])} end
  end
  return found
end

-- Nothing of the image is being copied, or will be.
local function isAtRest(image)
  if count(K.openOf, image, 0) ~= count(K.badOf, image, 0) then return false end
  local mark = markOf(image)
  if not marked(mark, RELEASED) or marked(mark, STORED) or marked(mark, SKIPPED) then return true end
  return redis.call('HEXISTS', K.descriptorsFailedOf .. math.floor(image / 16), b36(image % 16) .. ':0') == 1
end
