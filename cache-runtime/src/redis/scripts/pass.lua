-- BEGIN of a cache without fences: the writer announces nothing.
return 1
