#!lua flags=no-writes
-- KEYS: expiries, reports. Answers the reports that have not run out.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local workers = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
if #workers == 0 then return {} end
return redis.call('HMGET', KEYS[2], unpack(workers))
