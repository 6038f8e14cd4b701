-- Compare-and-set of several keys, all or nothing, with changes of the list of open merges and of sets.
--
-- KEYS  the list of open merges (a sorted set), the keys to compare, then a set for each change of one; all of one slot
-- ARGV  how many keys are compared, how many profiles go onto the list, how many leave it; for each key what it must
--       hold, then for each key what it shall hold: '=' and the value, or nothing for a key that does not exist, equal
--       ones being compared only; time and profile of each that goes onto the list; the profiles that leave it; for
--       each set '+' or '-' and the member
-- Result  1: written; 0: something else was there, nothing is written
-- Cost  a GET for each key, a SET or DEL for each that changes, one command for each change of the list or a set
local call, sub = redis.call, string.sub
local count, listed, settled = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

for i = 1, count do
  local value = call('GET', KEYS[i + 1])
  if (value and '=' .. value or '') ~= ARGV[i + 3] then return 0 end
end
-- What takes memory first: a server that is full refuses the first of these, and nothing has been done yet. Once one
-- has passed, so do all: whether it is full is decided when a script begins.
local removed, settled_at = {}, 2 * count + 2 * listed + 4
for i = 1, count do
  local new = ARGV[count + i + 3]
  if new ~= ARGV[i + 3] then
    if new == '' then removed[#removed + 1] = KEYS[i + 1] else call('SET', KEYS[i + 1], sub(new, 2)) end
  end
end
for i = 2 * count + 4, settled_at - 1, 2 do call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1]) end
for _, sign in ipairs({'+', '-'}) do
  for i = settled_at + settled, #ARGV do
    if sub(ARGV[i], 1, 1) == sign then
      call(sign == '+' and 'SADD' or 'SREM', KEYS[count + 2 + i - settled_at - settled], sub(ARGV[i], 2))
    end
  end
end
for _, key in ipairs(removed) do call('DEL', key) end
for i = settled_at, settled_at + settled - 1 do call('ZREM', KEYS[1], ARGV[i]) end
return 1
