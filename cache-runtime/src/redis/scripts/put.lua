-- FILL and END of a cache without fences. ARGV: start, token, body ('' for none). Stores whatever else is there.
if ARGV[3] == '' then
  redis.call('DEL', key)
  return 0
end
put_value(ARGV[3])
return 1
