-- ACQUIRE. ARGV: start, token, the id seen ('' for none), 'keep' or 'drop', lease in milliseconds.
local token, seen, keep = ARGV[2], ARGV[3], ARGV[4] == 'keep'
local granted = { token = token, deadline = now + tonumber(ARGV[5]) }
local entry = read()
if entry.kind == FENCE then
  return { 'fenced' }
elseif entry.kind == nil then
  put_lease(now, granted)
  return { 'granted' }
elseif entry.lease and entry.lease.token == token then
  return { 'granted' }
elseif entry.kind == LEASE then
  return { 'busy', entry.lease.token, entry.lease.deadline }
elseif entry.id ~= seen and now < entry.fresh_until then
  return { 'found', entry.raw }
elseif entry.lease then
  return { 'busy', entry.lease.token, entry.lease.deadline }
elseif entry.id == seen and not keep then
  put_lease(now, granted)
  return { 'granted' }
end
put_leased(entry, granted)
return { 'granted' }
