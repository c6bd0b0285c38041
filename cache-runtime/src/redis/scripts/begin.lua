-- BEGIN. ARGV: start, token, lease in milliseconds.
local entry = read()
local writers, created, shared = {}, now, false
if entry.kind == FENCE then
  created, shared = entry.created, true
  for _, writer in ipairs(entry.writers) do
    if writer.token ~= ARGV[2] then writers[#writers + 1] = writer end
  end
end
writers[#writers + 1] = { token = ARGV[2], deadline = now + tonumber(ARGV[3]) }
put_fence(created, writers, shared)
return 1
