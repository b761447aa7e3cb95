"""Candles over REST: fetched in bulk, behind the live ones, and again where two sources disagree."""
