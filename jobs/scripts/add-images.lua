#!lua
-- ARGV: four for each image: id, its bucket, packed row and number of tiles; or, of one that cannot be added,
-- `!status!reason` and 0. Answers missing or cancelled, else of each added, known or refused.
fetch('state', 'images', 'tiles.total', 'tiles.ready', 'finishedAt')
local state = get('state')
if not state then return 'missing' end
if state == 'cancelled' then return state end

local first = tonumber(get('images'))
local image, tiles, refused = first, 0, 0
local answers, items, attempts = {}, {}, {}

-- What belongs into one hash of rows is stored together.
local bucket, rows, open = nil, {}, {}
local function store()
  if #rows == 0 then return end
  redis.call('HSET', K.rowsOf .. bucket, unpack(rows))
  redis.call('HSET', K.openOf .. bucket, unpack(open))
  rows, open = {}, {}
end
local function enter(row, count)
  if math.floor(image / 256) ~= bucket then
    store()
    bucket = math.floor(image / 256)
  end
  local place = #rows + 1
  rows[place], rows[place + 1] = image % 256, row
  open[place], open[place + 1] = image % 256, count
  items[#items + 1] = packItem(image, 0, count, 0, 0, 0)
  image = image + 1
  tiles = tiles + count
end

for index = 1, #ARGV, 4 do
  local id, record, count = ARGV[index], ARGV[index + 2], tonumber(ARGV[index + 3])
  local ids = K.idsOf .. ARGV[index + 1]
  local known = redis.call('HGET', ids, id)
  local answer = 'known'
  if not known or known:sub(1, 1) == '!' then
    if known then
      refused = refused - 1
      countReason(known:match('^!%d+!(.*)$'), -1)
    end
    if count == 0 then
      answer = 'refused'
      refused = refused + 1
      redis.call('HSET', ids, id, record)
      redis.call('SADD', K.refused, ARGV[index + 1])
      local status, reason = record:match('^!(%d+)!(.*)$')
      countReason(reason, 1)
      attempts[#attempts + 1] = {image = id, first = 0, count = 1, reason = reason, status = tonumber(status), attempt = 1}
    else
      answer = 'added'
      redis.call('HSET', ids, id, image)
      enter(record, count)
    end
  end
  answers[#answers + 1] = answer
end
store()
remember(now(), 'images', nil, attempts, true, '')

for from = 1, #items, 1000 do
  redis.call('RPUSH', K.tilesReady, unpack(items, from, math.min(from + 999, #items)))
end
add('refused', refused)
if image > first then
  set('images', image)
  clear('finishedAt')
  move('tiles', 'total', tiles)
  move('tiles', 'ready', tiles)
end
return answers
