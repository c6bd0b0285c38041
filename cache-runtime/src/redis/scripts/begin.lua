-- BEGIN. ARGV: start, token, lease in milliseconds.
fence(ARGV[2], tonumber(ARGV[3]), false)
return 1
