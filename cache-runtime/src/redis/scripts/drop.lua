-- INVALIDATE of a key that was found by its prefix. ARGV: start. What is no entry of ours stays.
local entry = read()
if entry.kind == FENCE then
  if not entry.shared then put_fence(entry.created, entry.writers, true) end
elseif entry.kind ~= nil then
  redis.call('DEL', key)
end
return 1
