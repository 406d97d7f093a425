/**
 * Lets a try through and counts it as failed, or says how long to wait. Does what `SignInThrottle` does. KEYS: failures of
 * account and address, of the account (hashes), and times of those of the address (a sorted set). ARGV: whether the address
 * is trusted; ms since the owner has proven to be there, or -1; a name of the try; ms after which failures are forgotten, and
 * those that make nobody wait yet; free failures and longest wait in ms of the pair and of the account; failures of an
 * address, and within how many ms; failures that the caller counted alone and how many ms ago, of the pair and the account.
 *
 * @returns ms to wait; failures and ms since the last one, of the pair and of the account
 */
export const CHECK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local arg = {}
for i, text in ipairs(ARGV) do arg[i] = tonumber(text) end
local trusted, forgiven, forget, few = arg[1] == 1, arg[2], arg[4], arg[5]

local function read(key, carried, age)
  local known = redis.call('HMGET', key, 'failures', 'last')
  local streak = { key = key, failures = tonumber(known[1]) or 0, last = math.min(tonumber(known[2]) or 0, now) }
  if carried > 0 then
    streak.failures = math.max(streak.failures, carried)
    streak.last = math.max(streak.last, now - age)
    streak.changed = true
  end
  if now - streak.last >= forget then streak.failures = 0 end
  return streak
end

local function write(streak, free)
  redis.call('HSET', streak.key, 'failures', streak.failures, 'last', string.format('%.0f', streak.last))
  redis.call('PEXPIRE', streak.key, streak.failures < free and few or forget)
end

local function wait(streak, free, longest)
  if streak.failures < free then return 0 end
  return streak.last + math.min(longest, 1000 * 2 ^ (streak.failures - free)) - now
end

local pair, account = read(KEYS[1], arg[12], arg[13]), read(KEYS[2], arg[14], arg[15])
if forgiven >= 0 and pair.last <= now - forgiven then pair.failures = 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - arg[11])
local longest = math.max(0, wait(pair, arg[6], arg[7]))
if not trusted then
  longest = math.max(longest, wait(account, arg[8], arg[9]))
  if redis.call('ZCARD', KEYS[3]) >= arg[10] then
    longest = math.max(longest, redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2] + arg[11] - now)
  end
end
if longest <= 0 then
  pair.failures, pair.last, pair.changed = pair.failures + 1, now, true
  if not trusted then account.failures, account.last, account.changed = account.failures + 1, now, true end
  redis.call('ZADD', KEYS[3], now, ARGV[3])
  if redis.call('ZCARD', KEYS[3]) > arg[10] then redis.call('ZREMRANGEBYRANK', KEYS[3], 0, 0) end
  redis.call('PEXPIRE', KEYS[3], arg[11])
end
if pair.changed then write(pair, arg[6]) end
if account.changed then write(account, arg[8]) end
return { math.ceil(longest), pair.failures, now - pair.last, account.failures, now - account.last }
`;

/**
 * Takes a try back. KEYS as above. ARGV: whether the credential was right, so that the pair starts afresh; whether the
 * address is trusted; the name of the try.
 */
export const SETTLE = `
local function takeBack(key, all)
  local failures = tonumber(redis.call('HGET', key, 'failures'))
  if failures then redis.call('HSET', key, 'failures', all and 0 or math.max(0, failures - 1)) end
end
takeBack(KEYS[1], ARGV[1] == '1')
if ARGV[2] == '0' then takeBack(KEYS[2], false) end
redis.call('ZREM', KEYS[3], ARGV[3])
`;
