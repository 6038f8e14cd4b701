-- Compare-and-set of several keys, all or nothing, with changes of the list of merges that are not over.
--
-- KEYS  the list (a sorted set), then the keys to compare, all of one slot
-- ARGV  how many profiles go onto the list; for each key what it must hold, then for each key what it shall hold: '='
--       and the value, or nothing for a key that does not exist, equal ones being compared only; then time and profile
--       of each that goes onto the list; then the profiles that leave it
-- Result  1: written; 0: something else was there, nothing is written
-- Cost  a GET for each key, a SET or DEL for each that changes, a ZADD or ZREM for each profile
local call, sub, count, listed = redis.call, string.sub, #KEYS - 1, tonumber(ARGV[1])

for i = 1, count do
  local value = call('GET', KEYS[i + 1])
  if (value and '=' .. value or '') ~= ARGV[i + 1] then return 0 end
end
for i = 1, count do
  local new = ARGV[count + i + 1]
  if new ~= ARGV[i + 1] then
    if new == '' then call('DEL', KEYS[i + 1]) else call('SET', KEYS[i + 1], sub(new, 2)) end
  end
end
local first = 2 * count + 2
for i = first, first + 2 * listed - 1, 2 do call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = first + 2 * listed, #ARGV do call('ZREM', KEYS[1], ARGV[i]) end
return 1
