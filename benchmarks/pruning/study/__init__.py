"""Does a latency model make better pruned networks? Seven methods, one budget, one device."""
