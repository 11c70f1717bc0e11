-- Ends a claim: the item is done, or with a reason is set aside. Only for the session that holds it.
-- KEYS: the common four, lease, failed. ARGV: session, item, reason or nothing. Returns 1, or 0 where the claim is not the session's.
local lease, failed = KEYS[5], KEYS[6]
local session, item, reason = ARGV[1], ARGV[2], ARGV[3]
if not holds(session, item, lease) then
  -- Set aside it may be already, and the answer to that was lost on its way.
  return reason and redis.call('HGET', failed, item) == reason and 1 or 0
end
redis.call('LREM', processing, 0, item)
redis.call('DEL', lease)
redis.call('HDEL', claims, item)
redis.call('HDEL', known, item)
if reason then
  redis.call('HSET', failed, item, reason)
else
  redis.call('HDEL', failed, item)
end
tidy()
return 1
