-- FILL. ARGV: start, token, body. 1: stored; 0: lost, somebody wrote or took over meanwhile.
local entry = read()
if entry.lease and entry.lease.token == ARGV[2] then
  put_value(ARGV[3])
  return 1
end
return 0
