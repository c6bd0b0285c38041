-- INVALIDATE of a key that was found by a pattern (rule 19). ARGV: start. What is no entry of ours stays. 1: something went.
local entry = read()
if entry.kind == FENCE then
  if not entry.shared then put_fence(entry.created, entry.writers, true) end
elseif entry.kind ~= nil then
  redis.call('DEL', key)
  return 1
end
return 0
