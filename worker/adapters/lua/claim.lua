-- Claim message ids: the first of a kind within the window wins, the others are told so.
--
-- KEYS  prefixes of claim slices, `aw:{SPACE:cN}:`. Everything touched begins with one of them, so that on a
--       cluster a call with one slice stays in one slot; on a single node one call takes all of them
-- ARGV  1 epoch of the caller   2 window (minutes)   3 claims before this minute may be forgotten
--       4 now (minutes), or empty: the server's clock   5-7 divisors of the three bytes of a bucket's number
--       7+i the ids of KEYS[i], 18 bytes each: bucket 3, fingerprint 6, minute 4, coordinates 5
-- Result  positions, from 0 over all slices, of the ids claimed by other coordinates; nil and nothing claimed
--         when a slice knows a newer epoch
-- Cost  an id: one GET and two SETRANGE of a bucket of some dozens of records; a SET where it grows
--
-- A bucket is a ring: the next position (3 bytes), then records of fingerprint 6, tick 3, coordinates 5. The next
-- record is overwritten if it may be forgotten, else the ring grows there. So memory follows what is live, and
-- nothing needs a TTL. A tick is a minute modulo CYCLE: 31.9 years, less one value that says a record is free.
local call, byte, char, find, sub = redis.call, string.byte, string.char, string.find, string.sub
local floor, min, rep = math.floor, math.min, string.rep

local HEAD, RECORD, ID, IDS_AT = 3, 14, 18, 7
local CYCLE, FREE = 16777215, 16777215
local GROWTH = 4     -- records. Fewer: more rewriting while a ring fills; more: more of them stay free
local SET_BACK = 1440 -- minutes by which the server's clock may be set back without claims being forgotten

local epoch, window, forget_before = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local divisor1, divisor2, divisor3 = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

for i = 1, #KEYS do
  local known = call('GET', KEYS[i] .. 'epoch')
  if known and tonumber(known) > epoch then return false end
end

local now = tonumber(ARGV[4]) or floor(tonumber(call('TIME')[1]) / 60)
local latest = now + SET_BACK

local function three_bytes(number)
  return char(floor(number / 65536), floor(number / 256) % 256, number % 256)
end

local FREE_RECORDS = rep(rep('\0', 6) .. three_bytes(FREE) .. rep('\0', 5), GROWTH - 1)

local made = {} -- heads and ticks of a batch are few, and making a string is a good part of the cost
local function memoised(number)
  local bytes = made[number]
  if not bytes then
    bytes = three_bytes(number)
    made[number] = bytes
  end
  return bytes
end

local function number_at(text, at)
  local a, b, c = byte(text, at, at + 2)
  return (a * 256 + b) * 256 + c
end

local function collides(tick, minute)
  local apart = (minute - tick) % CYCLE
  return tick ~= FREE and (apart <= window or apart >= CYCLE - window)
end

-- nil: nobody holds the id at that time; true: these very coordinates do; false: only others do
local function held(ring, fingerprint, minute, coordinates)
  local found
  local at = find(ring, fingerprint, HEAD + 1, true)
  while at do
    if (at - HEAD - 1) % RECORD == 0 and collides(number_at(ring, at + 6), minute) then
      if sub(ring, at + 9, at + 13) == coordinates then return true end
      found = false
    end
    at = find(ring, fingerprint, at + 1, true)
  end
  return found
end

local function add(key, ring, record, minute)
  local index = number_at(ring, 1)
  local before = HEAD + index * RECORD
  if before >= #ring then index, before = 0, HEAD end
  local tick = number_at(ring, before + 7)
  if tick == FREE or (latest - tick) % CYCLE > latest - min(forget_before, minute - window) then
    call('SETRANGE', key, tostring(before), record)
    call('SETRANGE', key, '0', memoised(index + 1))
  else
    local head, tail = memoised(index + 1) .. sub(ring, HEAD + 1, before), sub(ring, before + 1)
    call('SET', key, head .. record .. FREE_RECORDS .. tail)
  end
end

local taken, position = {}, 0
for i = 1, #KEYS do
  local prefix, ids = KEYS[i], ARGV[IDS_AT + i]
  for p = 1, #ids, ID do
    local b1, b2, b3 = byte(ids, p, p + 2)
    local m1, m2, m3, m4 = byte(ids, p + 9, p + 12)
    local key = prefix .. char(b1 % divisor1, b2 % divisor2, b3 % divisor3)
    local fingerprint, coordinates = sub(ids, p + 3, p + 8), sub(ids, p + 13, p + 17)
    local minute = min(((m1 * 256 + m2) * 256 + m3) * 256 + m4, now)
    local record = fingerprint .. memoised(minute % CYCLE) .. coordinates
    local ring = call('GET', key)
    if not ring then
      call('SET', key, memoised(1) .. record .. FREE_RECORDS)
    else
      local own = held(ring, fingerprint, minute, coordinates)
      if own == nil then
        add(key, ring, record, minute)
      elseif not own then
        taken[#taken + 1] = position
      end
    end
    position = position + 1
  end
end
return taken
