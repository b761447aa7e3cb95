"""Time as I/O: the clock, the exchange's own time, delays between attempts, and the one retry loop."""
