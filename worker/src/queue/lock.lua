-- The lock on the report. KEYS: lock. ARGV: session, "take", "keep" or "release", and for how many ms.
-- Returns 1, or 0 where somebody else has it; to keep it, nobody may have had it in between.
local holder = redis.call('GET', KEYS[1])
local session, wish, lease_ms = ARGV[1], ARGV[2], ARGV[3]
if holder and holder ~= session or wish == 'keep' and not holder then
  return 0
end
if wish == 'release' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], session, 'PX', lease_ms)
end
return 1
