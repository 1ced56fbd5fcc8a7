#!lua
-- ARGV: options (JSON). Answers missing, cancelled, joined, verifying, unfinished or begun. What the last round left goes.
local state, round = get('state'), get('checks.round')
if not state then return 'missing' end
if state == 'cancelled' then return state end
if round ~= '0' and not roundFinished() then return get('checks.options') == ARGV[1] and 'joined' or 'verifying' end
if not finished() then return 'unfinished' end

for _, bucket in ipairs(redis.call('ZRANGE', K.checksFailed, 0, -1)) do
  redis.call('UNLINK', K.checksFailedOf .. bucket)
end
redis.call('DEL', K.checksFailed)
local images = tonumber(get('images'))
local checks = images + get('tiles.total')
for name, value in pairs({round = round + 1, options = ARGV[1], images = images, cursor = 0, matched = 0, restarted = 0,
  unproven = 0, startedAt = now(), total = checks, ready = checks, done = 0, skipped = 0, failed = 0}) do
  set('checks.' .. name, value)
end
clear('checks.finishedAt')
if checks == 0 then set('checks.finishedAt', now()) end
return 'begun'
