-- Puts a claimed item back at its old place, as if it had never been claimed, or with the attempt counted. Only for the
-- session that holds it.
-- KEYS: the common four, lease, report lock. ARGV: session, item, "counted" or "". Returns 1, or 0 where the claim is not
-- the session's.
local lease, lock = KEYS[5], KEYS[6]
local session, item, counted = ARGV[1], ARGV[2], ARGV[3] == 'counted'
if redis.call('GET', lock) == session then
  redis.call('DEL', lock)
end
if not holds(session, item, lease) or redis.call('LREM', processing, 1, item) == 0 then
  return 0
end
local place, attempts = string.match(redis.call('HGET', claims, item) or '', '^(%d+) (%d+) ')
put_back(item, tonumber(place))
redis.call('DEL', lease, known)
-- Earlier claims that never ended still count.
attempts = attempts and (counted and attempts or attempts - 1)
if attempts and tonumber(attempts) > 0 then
  redis.call('HSET', claims, item, place .. ' ' .. attempts .. ' -')
else
  redis.call('HDEL', claims, item)
end
return 1
