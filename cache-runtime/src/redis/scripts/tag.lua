-- The version of a tag, created where there is none. ARGV: start, a new version, how long it is needed, how long it is kept
-- (both in milliseconds). One that ends before it is needed no longer is kept longer.
local version = redis.pcall('GET', key)
if type(version) ~= 'string' or #version ~= 16 then
  redis.call('SET', key, ARGV[2], 'PX', ARGV[4])
  return ARGV[2]
end
local left = redis.call('PTTL', key)
if left >= 0 and left < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[4]) end
return version
