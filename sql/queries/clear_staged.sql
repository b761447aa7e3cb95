-- Make room for the next round of the same merge.
delete from staged_klines;
