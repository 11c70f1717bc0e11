-- How many items wait and how many are in processing, at one instant. KEYS: waiting, processing.
return { redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[2]) }
