-- Before the scripts that settle checks or begin with them, after images.lua.
--
-- checkedOf  of an image some of whose checks are settled in a round under way: round:left:flags:digest, the digest as
--            16 raw bytes. Gone when its last check is settled; of an earlier round it means nothing.

-- Nothing of the image is being copied, or will be.
local function isAtRest(image)
  if count(K.openOf, image, 0) ~= count(K.badOf, image, 0) then return false end
  local mark = markOf(image)
  if not marked(mark, RELEASED) or marked(mark, STORED) or marked(mark, SKIPPED) then return true end
  return redis.call('HEXISTS', failuresKey('descriptors', image), failuresField(image, 0)) == 1
end

local BLIND, RESTARTED, WHOLE_SKIPPED, DIFFERS = 1, 2, 4, 8

local function readChecked(image)
  local round = get('checks.round')
  local of, left, flags, digest = (ofImage(K.checkedOf, image) or ''):match('^(%d+):(%d+):(%d+):(.*)$')
  if of == round then return {round = round, left = tonumber(left), flags = tonumber(flags), digest = digest} end
  return {round = round, left = tilesOfRow(ofImage(K.rowsOf, image)) + 1, flags = 0, digest = NO_DIGEST}
end

local function writeChecked(image, checked)
  local key, field = rowOf(K.checkedOf, image)
  local value = string.format('%s:%d:%d:', checked.round, checked.left, checked.flags) .. checked.digest
  redis.call('HSET', key, field, value)
end

local function raise(checked, flag)
  if not marked(checked.flags, flag) then checked.flags = checked.flags + flag end
end

-- The image is as if added just now, but that its tiles may be there already.
local function restartImage(image)
  local tiles = tilesOfRow(ofImage(K.rowsOf, image))
  local open, bad, skipped = count(K.openOf, image, 0), count(K.badOf, image, 0), count(K.skippedOf, image, 0)
  local mark = markOf(image)
  local function forget(lane)
    local reasons, key = reasonsOfKinds(), failuresKey(lane, image)
    for _, failure in ipairs(failuresOf(lane, image)) do
      local size = sizeOf(failure.ranges)
      redis.call('HDEL', key, failure.field)
      countReason(reasons[failure.kind], -size)
      move(lane, 'failed', -size)
    end
    if redis.call('EXISTS', key) == 0 then redis.call('ZREM', K[lane .. 'Failed'], math.floor(image / FAILURES)) end
  end

  move('tiles', 'done', open + skipped - tiles)
  move('tiles', 'skipped', -skipped)
  move('tiles', 'ready', tiles)
  if bad > 0 then forget('tiles') end
  if marked(mark, RELEASED) then
    move('descriptors', 'total', -1)
    if marked(mark, STORED) then
      move('descriptors', 'done', -1)
    elseif marked(mark, SKIPPED) then
      move('descriptors', 'skipped', -1)
    else
      forget('descriptors')
    end
  end
  if bad > 0 then add(marked(mark, RELEASED) and 'incomplete' or 'withheld', -1) end

  add('bytes', 0 - count(K.bytesOf, image, 0))
  local digest = ofImage(K.digestOf, image)
  if digest then moveDigest(image, digest) end
  for _, stem in ipairs({K.badOf, K.skippedOf, K.bytesOf, K.digestOf}) do redis.call('HDEL', rowOf(stem, image)) end
  local key, field = rowOf(K.openOf, image)
  redis.call('HSET', key, field, tiles)
  key, field = rowOf(K.marksOf, image)
  redis.call('HSET', key, field, LOOK_FIRST)
  redis.call('RPUSH', K.tilesReady, packItem(image, 0, tiles, 0, 0, 0))
  clear('finishedAt')
end

-- The last check of an image is settled. Answers the counter it belongs to; nil if what was gathered differs: then the
-- check of the image as a whole is to be made once more, by a worker that knows it.
local function verdict(image, checked)
  if marked(checked.flags, RESTARTED) then return 'restarted' end
  if marked(checked.flags, BLIND) or not isAtRest(image) then return 'unproven' end
  if checked.digest == (ofImage(K.digestOf, image) or NO_DIGEST) then return 'matched' end
  local whole = tilesOfRow(ofImage(K.rowsOf, image))
  move('checks', marked(checked.flags, WHOLE_SKIPPED) and 'skipped' or 'done', -1)
  move('checks', 'ready', 1)
  redis.call('RPUSH', K.checksReady, packItem(image, whole, 1, 0, 0, 0))
  raise(checked, BLIND)
  raise(checked, DIFFERS)
  checked.left = 1
end

-- Checks of one image were settled, so many of them as failures.
local function checksMoved(image, settled, failed, blind, restart, digest, wholeSkipped)
  local works = get('state') ~= 'cancelled'
  local checked = readChecked(image)
  checked.left = checked.left - settled
  if blind or failed > 0 then raise(checked, BLIND) end
  if wholeSkipped then raise(checked, WHOLE_SKIPPED) end
  if digest then checked.digest = xor(checked.digest, digest) end
  if restart and works and isAtRest(image) then
    restartImage(image)
    raise(checked, RESTARTED)
  end
  local word = checked.left == 0 and works and verdict(image, checked)
  if checked.left > 0 then return writeChecked(image, checked) end
  redis.call('HDEL', rowOf(K.checkedOf, image))
  if word then add('checks.' .. word, 1) end
  if roundFinished() and not get('checks.finishedAt') then set('checks.finishedAt', now()) end
end

-- Failures of the image are tried again: what its checks gather cannot be compared.
local function blindChecks(image)
  local checked = readChecked(image)
  raise(checked, BLIND)
  writeChecked(image, checked)
end

-- Takes the next images of the round into ready: a round of a million images begins with a cursor, not with a million
-- items. A step lies within one hash of rows.
local FILL_IMAGES = 64
local function fillChecks()
  local from = tonumber(get('checks.cursor'))
  local past = math.min(from + FILL_IMAGES, get('checks.images'))
  if from >= past then return end
  local rows, first = rowOf(K.rowsOf, from)
  local fields, items = {}, {}
  for field = first, first + past - from - 1 do fields[#fields + 1] = field end
  for index, row in ipairs(redis.call('HMGET', rows, unpack(fields))) do
    items[index] = packItem(from + index - 1, 0, tilesOfRow(row) + 1, 0, 0, 0)
  end
  redis.call('RPUSH', K.checksReady, unpack(items))
  set('checks.cursor', past)
end
