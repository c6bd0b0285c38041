-- RENEW. ARGV: start, token, lease in milliseconds. 1: the token still stands.
local token, deadline = ARGV[2], now + tonumber(ARGV[3])
local entry = read()
if entry.lease and entry.lease.token == token then
  local lease = { token = token, deadline = deadline }
  if entry.kind == VALUE then put_leased(entry, lease) else put_lease(entry.created, lease) end
  return 1
elseif entry.kind == FENCE then
  for _, writer in ipairs(entry.writers) do
    if writer.token == token then
      writer.deadline = deadline
      put_fence(entry.created, entry.writers, entry.shared)
      return 1
    end
  end
end
return 0
