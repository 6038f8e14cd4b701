-- Commit states with their timers and outputs; drop outputs that nobody will ask for again.
--
-- KEYS  1 prefix of a state slot, `aw:{SPACE:sN}:`; everything touched begins with it:
--       PROFILE (16 bytes) the state, its first 8 bytes are `applied`; `timers` and `pending`, sorted sets;
--       `sizes`, a hash: members by audience key; `owner`, who took the slot over last
-- ARGV  1 outputs below this offset are dropped   2 first and 3 last offset among the outputs
--       4 a head for each of n states, 24 bytes: profile 16, expected `applied` 8 (all ones: no state is stored)
--       5 changes of sizes, empty or packed with MessagePack: [[position of the state, audience key, change], ...]
--       6 in whose name; when that is not the owner, all lose and nothing is dropped
--       then n blobs, n due times (empty: no timer), and for each output three: the position of its state
--       (from 0; empty: of none), its offset, its entry (offset 8, profile 16, the outputs)
-- Result  positions, from 0, of the states that lost the comparison; nothing of theirs is written
-- Cost  a state: GETRANGE and SET; a slot: one GET, one ZADD, one ZREM, one trim, and two commands when there are outputs
local call, sub, unpack = redis.call, string.sub, unpack

local PROFILE, HEAD, OFFSET = 16, 24, 8
local ABSENT = string.rep('\255', 8)
local CHUNK = 4000 -- values handed to one command: Lua's stack holds 8,000

local slot, heads = KEYS[1], ARGV[4]
local timers, pending = slot .. 'timers', slot .. 'pending'
local count = #heads / HEAD
local blobs_at, dues_at, outputs_at = 6, 6 + count, 6 + 2 * count

local function in_chunks(command, key, values)
  for first = 1, #values, CHUNK do
    call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

local losers, lost, set, unset = {}, {}, {}, {}
if (call('GET', slot .. 'owner') or '') ~= ARGV[6] then
  for n = 0, count - 1 do losers[n + 1] = n end
  return losers
end
for n = 0, count - 1 do
  local profile = sub(heads, n * HEAD + 1, n * HEAD + PROFILE)
  local key = slot .. profile
  local applied, expected = call('GETRANGE', key, '0', '7'), sub(heads, n * HEAD + PROFILE + 1, (n + 1) * HEAD)
  if applied == expected or (applied == '' and expected == ABSENT) then
    local due = ARGV[dues_at + n + 1]
    call('SET', key, ARGV[blobs_at + n + 1])
    if due == '' then
      unset[#unset + 1] = profile
    else
      set[#set + 1] = due
      set[#set + 1] = profile
    end
  else
    losers[#losers + 1] = n
    lost[tostring(n)] = true
  end
end
in_chunks('ZADD', timers, set)
in_chunks('ZREM', timers, unset)

if ARGV[5] ~= '' then
  for _, change in ipairs(cmsgpack.unpack(ARGV[5])) do
    if not lost[tostring(change[1])] then call('HINCRBY', slot .. 'sizes', change[2], change[3]) end
  end
end

if #ARGV > outputs_at then
  local kept = {} -- by offset: outputs that are made again replace those before
  for _, entry in ipairs(call('ZRANGEBYSCORE', pending, ARGV[2], ARGV[3])) do
    kept[sub(entry, 1, OFFSET)] = entry
  end
  local add = {}
  for at = outputs_at + 1, #ARGV, 3 do
    local entry = ARGV[at + 2]
    if not lost[ARGV[at]] then
      local before = kept[sub(entry, 1, OFFSET)]
      if before and before ~= entry then call('ZREM', pending, before) end
      add[#add + 1] = ARGV[at + 1]
      add[#add + 1] = entry
    end
  end
  in_chunks('ZADD', pending, add)
end
call('ZREMRANGEBYSCORE', pending, '-inf', '(' .. ARGV[1])
return losers
