-- Whether an item is anywhere: waiting, in processing or set aside. KEYS: the common four, failed. ARGV: item. Returns 1 or 0.
local item = ARGV[1]
if redis.call('LPOS', waiting, item) or redis.call('LPOS', processing, item) then
  return 1
end
return redis.call('HEXISTS', KEYS[5], item)
