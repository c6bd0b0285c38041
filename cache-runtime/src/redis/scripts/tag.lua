-- The version of a tag, created where there is none (rule 9). ARGV: start, a new version, how long it is needed, how long it is kept
-- (both in milliseconds). One that ends before it is needed no longer is kept longer; one that was made before the server's
-- present start is none: a snapshot brings back what had been invalidated.
local raw = redis.pcall('GET', key)
if type(raw) == 'string' and #raw == 24 then
  local created, version = struct.unpack('>I8c16', raw)
  if created >= server_start and created < TOO_LARGE then
    local left = redis.call('PTTL', key)
    if left >= 0 and left < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[4]) end
    return version
  end
end
redis.call('SET', key, struct.pack('>I8', now) .. ARGV[2], 'PX', ARGV[4])
return ARGV[2]
