-- INVALIDATE and END with a hold. ARGV: start, the token that leaves, hold in milliseconds.
-- All holds of a fence are one deadline, the latest.
local entry = read()
local writers, created, deadline = {}, now, now + tonumber(ARGV[3])
if entry.kind == FENCE then
  created = entry.created
  for _, writer in ipairs(entry.writers) do
    if writer.token == HOLD then
      deadline = math.max(deadline, writer.deadline)
    elseif writer.token ~= ARGV[2] then
      writers[#writers + 1] = writer
    end
  end
end
writers[#writers + 1] = { token = HOLD, deadline = deadline }
put_fence(created, writers, true)
return 1
