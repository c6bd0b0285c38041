-- RELEASE. ARGV: start, token.
local entry = read()
if entry.lease and entry.lease.token == ARGV[2] then
  if entry.kind == VALUE then put_leased(entry, nil) else redis.call('DEL', key) end
end
return 1
