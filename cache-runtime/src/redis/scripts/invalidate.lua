-- INVALIDATE. ARGV: start. A fence stays and is shared from now on; whatever else is there goes.
local entry = read()
if entry.kind == FENCE then
  if not entry.shared then put_fence(entry.created, entry.writers, true) end
else
  redis.call('DEL', key)
end
return 1
