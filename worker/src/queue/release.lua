-- Puts a claimed item back at its old place, as if it had never been claimed. Only for the session that holds it.
-- KEYS: the common four, lease, report lock. ARGV: session, item. Returns 1, or 0 where the claim is not the session's.
local lease, lock = KEYS[5], KEYS[6]
local session, item = ARGV[1], ARGV[2]
if redis.call('GET', lock) == session then
  redis.call('DEL', lock)
end
if not holds(session, item, lease) or redis.call('LREM', processing, 1, item) == 0 then
  return 0
end
local place, attempts = string.match(redis.call('HGET', claims, item) or '', '^(%d+) (%d+) ')
put_back(item, tonumber(place))
redis.call('DEL', lease, known)
if attempts and tonumber(attempts) > 1 then
  -- Earlier claims that never ended still count.
  redis.call('HSET', claims, item, place .. ' ' .. (attempts - 1) .. ' -')
else
  redis.call('HDEL', claims, item)
end
return 1
