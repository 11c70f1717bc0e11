-- The reaper: puts items whose lease has expired back at their old places, from left to right.
-- KEYS: the common four. ARGV: lease in ms, then triples of item, lease key and "orphan" or "".
-- An item without lease and without a note of who claimed it was claimed by a worker that claims in two steps, and may
-- stand between them: it goes back only when the caller has watched it for a while and calls it an orphan.
-- Returns the server's time in ms and, per item, {"alive", ms left, holder}, {"back"}, {"young"} or {"gone"}.
local time = redis.call('TIME')
local answer = { time[1] * 1000 + math.floor(time[2] / 1000) }
for i = 2, #ARGV, 3 do
  local item, lease = ARGV[i], ARGV[i + 1]
  local left_ms = redis.call('PTTL', lease)
  local place, attempts, holder = string.match(redis.call('HGET', claims, item) or '', '^(%d+) (%d+) (.+)$')
  if not redis.call('LPOS', processing, item) then
    answer[#answer + 1] = { 'gone' }
  elseif left_ms ~= -2 then
    if left_ms < 0 then
      -- A lease without an end would hold its item for ever.
      redis.call('PEXPIRE', lease, ARGV[1])
      left_ms = tonumber(ARGV[1])
    end
    answer[#answer + 1] = { 'alive', left_ms, redis.call('GET', lease) }
  elseif holder and holder ~= '-' or ARGV[i + 2] == 'orphan' then
    redis.call('LREM', processing, 1, item)
    put_back(item, tonumber(place))
    if place then
      redis.call('HSET', claims, item, place .. ' ' .. attempts .. ' -')
    end
    answer[#answer + 1] = { 'back' }
  else
    answer[#answer + 1] = { 'young' }
  end
end
return answer
