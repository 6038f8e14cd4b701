-- Compare-and-set of several keys, all or nothing.
--
-- KEYS  the keys, all of one slot
-- ARGV  for each key what it must hold, then for each key what it shall hold: '=' and the value, or nothing for
--       a key that does not exist. Equal ones are only compared
-- Result  1: written; 0: something else was there, nothing is written
-- Cost  a GET for each key, a SET or DEL for each that changes
local call, sub, count = redis.call, string.sub, #KEYS

for i = 1, count do
  local value = call('GET', KEYS[i])
  if (value and '=' .. value or '') ~= ARGV[i] then return 0 end
end
for i = 1, count do
  local new = ARGV[count + i]
  if new ~= ARGV[i] then
    if new == '' then call('DEL', KEYS[i]) else call('SET', KEYS[i], sub(new, 2)) end
  end
end
return 1
