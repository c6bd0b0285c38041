-- INVALIDATE and END with a hold. ARGV: start, token, hold in milliseconds.
fence(ARGV[2], tonumber(ARGV[3]), true)
return 1
