-- How many items wait and how many are in processing, at one instant. Where there is neither, what is left of claims goes:
-- the original, which may have finished the last item, does not know of it.
-- KEYS: the common four.
local sizes = { redis.call('LLEN', waiting), redis.call('LLEN', processing) }
if redis.call('EXISTS', claims, known) > 0 then
  tidy()
end
return sizes
