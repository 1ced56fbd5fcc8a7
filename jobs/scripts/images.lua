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

local function moveDigest(image, by)
  local key, field = rowOf(K.digestOf, image)
  redis.call('HSET', key, field, xor(redis.call('HGET', key, field) or NO_DIGEST, by))
  set('digest', xor(get('digest') or NO_DIGEST, by))
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
  local open = count(K.openOf, image, -stored)
  local bad = open == 0 and failed == 0 and 0 or count(K.badOf, image, failed)
  local wasLeft, isLeft = bad > failed and open + stored == bad - failed, bad > 0 and open == bad
  if wasLeft == isLeft and open > 0 then return end
  if marked(markOf(image), RELEASED) then
    if open == 0 then add('incomplete', -1) end
    return
  end
  local works = get('state') ~= 'cancelled'
  if wasLeft then
    add('withheld', -1)
  elseif isLeft and works and get('whenIncomplete') == 'publish' then
    add('incomplete', 1)
    release(image)
  elseif isLeft then
    add('withheld', 1)
  end
  if open == 0 and works then release(image) end
end
