/**
 * Draws on all policies of a request or on none. KEYS: one list for each policy. ARGV: quota and width of the window in ms
 * of each. Does what `SlidingWindow` does, so that both decide alike: see there for ticks and what they promise.
 *
 * An entry of a list is `tick before count`: hits at a tick, and how many came before them since the list began, so that
 * the ends alone tell the number between. Time is Redis's own, in microseconds, so that clocks of processes do not matter.
 * Where it has gone back, hits that lie ahead are taken to be of now: later than they were, never earlier.
 *
 * @returns for each policy: 1 if it refused, hits in the window, microseconds until some leave
 */
export const CONSUME = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function entry(key, index)
  local text = redis.call('LINDEX', key, index)
  if not text then return nil end
  local tick, before, count = string.match(text, '^(%d+) (%d+) (%d+)$')
  return tonumber(tick), tonumber(before), tonumber(count)
end

local function push(key, tick, before, count)
  redis.call('RPUSH', key, string.format('%.0f %.0f %.0f', tick, before, count))
end

-- Hits from this tick on become one entry of this tick.
local function gather(key, tick)
  local newest, before, count = entry(key, -1)
  local first, hits
  while newest and newest >= tick do
    first, hits = before, (hits or 0) + count
    redis.call('RPOP', key)
    newest, before, count = entry(key, -1)
  end
  if hits then push(key, tick, first, hits) end
end

local function add(key, tick)
  local newest, before, count = entry(key, -1)
  if newest == tick then
    redis.call('LSET', key, -1, string.format('%.0f %.0f %.0f', tick, before, count + 1))
  else
    push(key, tick, newest and before + count or 0, 1)
  end
end

local windows, accepted = {}, true
for i, key in ipairs(KEYS) do
  local quota, width = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local grain = quota > 1000 and math.max(1, math.floor(width / 256)) or 1
  local tick = math.ceil(now / (grain * 1000)) * grain
  local oldest, before = entry(key, 0)
  while oldest and (oldest + width) * 1000 <= now do
    redis.call('LPOP', key)
    oldest, before = entry(key, 0)
  end
  local used = 0
  if oldest then
    if entry(key, -1) > tick then gather(key, tick) end
    local _, last, count = entry(key, -1)
    used = last + count - before
  end
  local room = used < quota
  accepted = accepted and room
  windows[i] = { quota = quota, width = width, tick = tick, used = used, room = room }
end

-- When as many have left as must, so that one more has room.
local function leaves(key, mustLeave)
  local oldest, before, count = entry(key, 0)
  if count >= mustLeave then return oldest end
  local low, high = 1, redis.call('LLEN', key) - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    local _, ahead, there = entry(key, middle)
    if ahead + there - before >= mustLeave then high = middle else low = middle + 1 end
  end
  return (entry(key, low))
end

local reply = {}
for i, key in ipairs(KEYS) do
  local window = windows[i]
  if accepted then
    add(key, window.tick)
    window.used = window.used + 1
  end
  local reset = window.width * 1000
  if window.used > 0 then
    redis.call('PEXPIRE', key, string.format('%.0f', math.ceil((entry(key, -1) + window.width) - now / 1000)))
    if window.quota > 0 then
      reset = (leaves(key, math.max(1, window.used - window.quota + 1)) + window.width) * 1000 - now
    end
  end
  reply[3 * i - 2] = window.room and 0 or 1
  reply[3 * i - 1] = window.used
  reply[3 * i] = reset
end
return reply
`;

/**
 * Adds hits that were let through without it, at the ticks at which they were. KEYS: a list as above. ARGV: width of the
 * window in ms, then age in microseconds and number of the hits of each tick.
 */
export const CARRY = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local width = tonumber(ARGV[1])
local ticks, counts = {}, {}
local function put(tick, count)
  if (tick + width) * 1000 <= now then return end
  if not counts[tick] then
    counts[tick] = 0
    table.insert(ticks, tick)
  end
  counts[tick] = counts[tick] + count
end
for _, text in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local tick, _, count = string.match(text, '^(%d+) (%d+) (%d+)$')
  put(tonumber(tick), tonumber(count))
end
for i = 2, #ARGV, 2 do put(math.ceil((now - ARGV[i]) / 1000), tonumber(ARGV[i + 1])) end
table.sort(ticks)
redis.call('DEL', KEYS[1])
local before = 0
for _, tick in ipairs(ticks) do
  redis.call('RPUSH', KEYS[1], string.format('%.0f %.0f %.0f', tick, before, counts[tick]))
  before = before + counts[tick]
end
if before > 0 then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(ticks[#ticks] + width - now / 1000)))
end
return before
`;

/**
 * Says that a process is there. KEYS: who is there, by when they last said so; what tells this content of Redis from any
 * other. ARGV: who, ms after which one is gone, a name for the content if it has none.
 *
 * @returns how many are there, and the name of the content
 */
export const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'NX')
return { redis.call('ZCARD', KEYS[1]), redis.call('GET', KEYS[2]) }
`;
