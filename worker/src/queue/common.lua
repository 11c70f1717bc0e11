-- What the other scripts share. KEYS 1 to 4 are the same everywhere: waiting, processing, claims, known lease keys.
local waiting, processing, claims, known = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- Whether a session holds a claim: the lease is its own; or the lease has expired, but nobody took the item since.
local function holds(session, item, lease)
  local holder = redis.call('GET', lease)
  if holder then
    return holder == session
  end
  local claim = redis.call('HGET', claims, item)
  return claim and string.match(claim, '^%d+ %d+ (.+)$') == session and redis.call('LPOS', processing, item) and true
end

-- Puts an item back to where it was claimed from, counted from the left, so that the order stays what it was.
local function put_back(item, place)
  local next = place and redis.call('LINDEX', waiting, place)
  if not next then
    redis.call('RPUSH', waiting, item)
    return
  end
  -- LINSERT goes by value, and values may stand there twice: a mark that cannot be an item makes the place unique.
  local mark = '\0\0 the place of ' .. item
  redis.call('LSET', waiting, place, mark)
  redis.call('LINSERT', waiting, 'BEFORE', mark, item)
  redis.call('LSET', waiting, place + 1, next)
end

-- Leaves nothing behind once there is nothing left to do.
local function tidy()
  if redis.call('LLEN', processing) == 0 and redis.call('LLEN', waiting) == 0 then
    redis.call('DEL', claims, known)
  end
end
