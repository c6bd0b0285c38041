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
elseif not entry.shared and ARGV[3] ~= '' and pcall(put_value, ARGV[3]) then
  return 1
else
  -- Also where the server has no memory for the value: the fence goes.
  redis.call('DEL', key)
end
return 0
