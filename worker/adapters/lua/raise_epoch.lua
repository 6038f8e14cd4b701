-- Make every later claim with a smaller epoch fail.
--
-- KEYS  the epoch's copies, one for each claim slice: `aw:{SPACE:cN}:epoch`
-- ARGV  1 epoch
-- Result  nothing
-- Cost  a GET and at most a SET for each copy
for i = 1, #KEYS do
  local known = redis.call('GET', KEYS[i])
  if not known or tonumber(known) < tonumber(ARGV[1]) then redis.call('SET', KEYS[i], ARGV[1]) end
end
return false
