#!lua flags=no-writes
-- ARGV: 'id', an id and its bucket; or 'page' and the number of a bucket of images. Answers nil if the migration is missing,
-- else of each image its number, row, open and bad tiles, bytes, digest in hex and whether its descriptor is released.
if redis.call('EXISTS', K.meta) == 0 then return false end
local answers = {}
local function show(image, row, open, bad, bytes, digest, mark)
  local released = marked(tonumber(mark or 0), RELEASED) and 1 or 0
  for _, value in ipairs({image, row, open or '0', bad or '0', bytes or '0', hexOf(digest or NO_DIGEST), released}) do
    answers[#answers + 1] = value
  end
end
local STEMS = {K.rowsOf, K.openOf, K.badOf, K.bytesOf, K.digestOf, K.marksOf}
local values = {}

if ARGV[1] == 'id' then
  local image = tonumber(redis.call('HGET', K.idsOf .. ARGV[3], ARGV[2]))
  if not image then return answers end
  for index, stem in ipairs(STEMS) do values[index] = ofImage(stem, image) end
  show(image, unpack(values, 1, #STEMS))
  return answers
end

for index, stem in ipairs(STEMS) do
  values[index] = {}
  local flat = redis.call('HGETALL', stem .. ARGV[2])
  for place = 1, #flat, 2 do values[index][tonumber(flat[place])] = flat[place + 1] end
end
for field = 0, 255 do
  if not values[1][field] then break end
  local of = {}
  for index = 1, #STEMS do of[index] = values[index][field] end
  show(ARGV[2] * 256 + field, unpack(of, 1, #STEMS))
end
return answers
