-- END. ARGV: start, token, body ('' for none). 1: stored.
local entry = read()
if entry.kind ~= FENCE then
  redis.call('DEL', key)
  return 0
end
local others = {}
for _, writer in ipairs(entry.writers) do
  if writer.token ~= ARGV[2] then others[#others + 1] = writer end
end
if #others == #entry.writers then
  put_fence(entry.created, others, true)
elseif #others > 0 then
  put_fence(entry.created, others, entry.shared)
elseif entry.shared or ARGV[3] == '' then
  redis.call('DEL', key)
else
  put_value(ARGV[3])
  return 1
end
return 0
