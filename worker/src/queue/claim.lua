-- Claims the item at the right end of the queue: moves it, leases it and notes its place, in one step.
-- KEYS: waiting, processing, claims, known lease keys.
-- ARGV: session, lease in ms, seconds to keep the claims, "again" or "", then pairs of item and lease key to know.
-- Returns {"claimed", item, place, attempts, item to know…}, {"held", item, place, attempts}, {"unknown", item to know…},
-- {"duplicate", item} or {"none", items in processing}.
local waiting, processing, claims, known = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local session, lease_ms = ARGV[1], ARGV[2]

if ARGV[4] == 'again' then
  -- The answer to an earlier claim of this session may have been lost on its way: a session holds one item at a time.
  local all = redis.call('HGETALL', claims)
  for i = 1, #all, 2 do
    local place, attempts, holder = string.match(all[i + 1], '^(%d+) (%d+) (.+)$')
    if holder == session and redis.call('LPOS', processing, all[i]) then
      return { 'held', all[i], tonumber(place), tonumber(attempts) }
    end
  end
end

-- The lease key is a SHA-224, which Redis cannot compute: claimants tell it, and the queue remembers for a while.
if #ARGV > 4 then
  redis.call('HSET', known, unpack(ARGV, 5))
  redis.call('PEXPIRE', known, lease_ms)
end

local item = redis.call('LMOVE', waiting, processing, 'RIGHT', 'LEFT')
if not item then
  local held = redis.call('LLEN', processing)
  if held == 0 then
    -- Whoever finished the last item may be none who knows of these.
    redis.call('DEL', claims, known)
  end
  return { 'none', held }
end
local lease = redis.call('HGET', known, item)
if not lease then
  redis.call('LMOVE', processing, waiting, 'LEFT', 'RIGHT')
  return { 'unknown', unpack(redis.call('LRANGE', waiting, -256, -1)) }
end
if not redis.call('SET', lease, session, 'PX', lease_ms, 'NX') then
  -- Somebody holds a copy of this item, which then is superfluous; or the lease is the leftover of one who died.
  if #redis.call('LPOS', processing, item, 'COUNT', 2) > 1 then
    redis.call('LREM', processing, 1, item)
    return { 'duplicate', item }
  end
  redis.call('SET', lease, session, 'PX', lease_ms)
end
local place, attempts = redis.call('LLEN', waiting), 1
local before = redis.call('HGET', claims, item)
if before then
  attempts = attempts + (tonumber(string.match(before, '^%d+ (%d+) ')) or 0)
end
redis.call('HSET', claims, item, place .. ' ' .. attempts .. ' ' .. session)
redis.call('EXPIRE', claims, ARGV[3])
if place > 192 and place % 64 == 0 then
  -- One claimant in 64 looks ahead for all, so that in a long queue nobody has to ask twice.
  return { 'claimed', item, place, attempts, unpack(redis.call('LRANGE', waiting, math.max(0, place - 256), place - 193)) }
end
return { 'claimed', item, place, attempts }
