// KEYS of each: values, used, expires, bytes, generation. ARGV[1]: the field. Times are Redis's own, so that the clocks of
// processes do not matter.

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used = string.format('%.0f', time[1] * 1000000 + time[2])
`;

const DROP = `
local function drop(field)
  local bytes = redis.call('HSTRLEN', KEYS[1], field) + #field
  local held = redis.call('HDEL', KEYS[1], field)
  if held == 1 then redis.call('DECRBY', KEYS[4], bytes) end
  redis.call('ZREM', KEYS[2], field)
  redis.call('ZREM', KEYS[3], field)
  return held
end
`;

/** A fill that is longer under way than this may outlive a deletion; in ms. */
const GENERATION = `
redis.call('INCR', KEYS[5])
redis.call('PEXPIRE', KEYS[5], 86400000)
`;

export const GET = `${NOW}
local expires = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not expires or tonumber(expires) <= now then return false end
redis.call('ZADD', KEYS[2], used, ARGV[1])
return redis.call('HGET', KEYS[1], ARGV[1])
`;

/** ARGV: field, text, ms to live, bytes and entries of the tenant at most, generation or nothing. */
export const SET = `${NOW}${DROP}
if ARGV[6] ~= '' and ARGV[6] ~= (redis.call('GET', KEYS[5]) or '0') then return 0 end
for _, field in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do drop(field) end
drop(ARGV[1])
local size = #ARGV[1] + #ARGV[2]
local most = tonumber(ARGV[4])
if size > most then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], used, ARGV[1])
redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[3]), ARGV[1])
local bytes = redis.call('INCRBY', KEYS[4], size)
while bytes > most or redis.call('ZCARD', KEYS[2]) > tonumber(ARGV[5]) do
  drop(redis.call('ZRANGE', KEYS[2], 0, 0)[1])
  bytes = tonumber(redis.call('GET', KEYS[4]))
end
local last = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
if last then
  for index = 1, 4 do redis.call('PEXPIRE', KEYS[index], string.format('%.0f', last - now)) end
end
return 1
`;

export const DELETE = `${DROP}${GENERATION}
return drop(ARGV[1])
`;

export const CLEAR = `${GENERATION}
return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
`;
