-- The heartbeat, and the look before a file is published: does the session still hold its claim, and the report lock if one is named?
-- KEYS: the common four, lease, and perhaps the report lock. ARGV: session, item, lease in ms.
-- Returns "held", "retaken" (it had expired, and nobody had taken it), "lost" or "unlocked".
local lease, lock = KEYS[5], KEYS[6]
local session, item, lease_ms = ARGV[1], ARGV[2], ARGV[3]
if not holds(session, item, lease) then
  return 'lost'
end
if lock then
  if redis.call('GET', lock) ~= session then
    return 'unlocked'
  end
  redis.call('PEXPIRE', lock, lease_ms)
end
if redis.call('PEXPIRE', lease, lease_ms) == 1 then
  return 'held'
end
redis.call('SET', lease, session, 'PX', lease_ms)
return 'retaken'
