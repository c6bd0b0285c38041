-- Shared beginning of every script: the bytes of an entry (the layout is explained in codec/envelope.rs)
-- and its state as the step sees it. KEYS[1]: the entry. ARGV[1]: when the server started, in milliseconds; behind a space
-- the time, where this user may not ask for it (`TIME`).
local FORMAT, LEASE, VALUE, FENCE = 0xC1, 0x11, 0x22, 0x44
local NONE = string.rep('\0', 16)
-- The place of all holds in a fence.
local HOLD = string.rep('\255', 16)
-- Lua has no exact numbers from here on, and no clock shows such a time: it is damage.
local TOO_LARGE = 2 ^ 53
local key, server_start, now = KEYS[1], tonumber(ARGV[1]), nil
if server_start then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
else
  server_start, now = string.match(ARGV[1], '^(%d+) (%d+)$')
  server_start, now = tonumber(server_start), tonumber(now)
end

local function read_lease(raw, at)
  local token, deadline = struct.unpack('>c16I8', raw, at)
  if token ~= NONE and now < deadline and deadline < TOO_LARGE then
    return { token = token, deadline = deadline }
  end
end

-- What is past its deadline is absent, and so is what was written before the server's present start.
local function read()
  -- A key of another type answers with an error, and is overwritten like any other foreign value.
  local raw = redis.pcall('GET', key)
  if type(raw) ~= 'string' or #raw < 18 then return { kind = nil } end
  local format, kind, created, again = struct.unpack('>BBI8I8', raw)
  if format ~= FORMAT or created ~= again or created >= TOO_LARGE then return { kind = nil } end
  if kind == LEASE and #raw == 42 then
    local lease = read_lease(raw, 19)
    if lease and created >= server_start then
      return { kind = LEASE, created = created, lease = lease }
    end
  elseif kind == VALUE and #raw >= 94 then
    if created < server_start then return { kind = nil } end
    local lease = read_lease(raw, 19)
    local id, fresh, total = struct.unpack('>c16I8I8', raw, 57)
    if fresh >= TOO_LARGE or total >= TOO_LARGE then return { kind = nil } end
    if now < created + total then
      return { kind = VALUE, raw = raw, created = created, lease = lease, id = id,
               fresh_until = created + fresh, deadline = created + total }
    elseif lease then
      return { kind = LEASE, created = created, lease = lease }
    end
  elseif kind == FENCE and (#raw - 19) % 24 == 0 then
    local writers = {}
    for at = 20, #raw, 24 do
      local writer = read_lease(raw, at)
      if writer then writers[#writers + 1] = writer end
    end
    if #writers > 0 then
      local shared = string.byte(raw, 19) ~= 0 or created < server_start
      return { kind = FENCE, created = created, writers = writers, shared = shared }
    end
  end
  return { kind = nil }
end

-- Every write sets the value and its expiry in one command: no key is ever left without a TTL.
local function put(raw, deadline)
  redis.call('SET', key, raw, 'PX', string.format('%.0f', math.max(1, deadline - now)))
end

-- A server that is out of memory refuses SET, but neither DEL nor what a script does after it. What a writer must not
-- leave as it is goes in any case.
local function put_anyhow(raw, deadline)
  if pcall(put, raw, deadline) then return end
  redis.call('DEL', key)
  put(raw, deadline)
end

local function header(kind, created, lease)
  return struct.pack('>BBI8I8c16I8', FORMAT, kind, created, created,
    lease and lease.token or NONE, lease and lease.deadline or 0)
end

local function put_lease(created, lease)
  put(header(LEASE, created, lease), lease.deadline)
end

-- The value that is there, with another lease (or none).
local function put_leased(entry, lease)
  put(header(VALUE, entry.created, lease) .. string.sub(entry.raw, 43),
    math.max(entry.deadline, lease and lease.deadline or 0))
end

-- A new value: `body` is made by the client and begins behind the header.
local function put_value(body)
  local fresh, total = struct.unpack('>I8I8', body, 31)
  put(header(VALUE, now, nil) .. body, now + total)
end

local function put_fence(created, writers, shared)
  local parts = { struct.pack('>BBI8I8B', FORMAT, FENCE, created, created, shared and 1 or 0) }
  local deadline = 0
  for _, writer in ipairs(writers) do
    parts[#parts + 1] = struct.pack('>c16I8', writer.token, writer.deadline)
    deadline = math.max(deadline, writer.deadline)
  end
  put_anyhow(table.concat(parts), deadline)
end
