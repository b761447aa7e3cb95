-- The marks of an exchange's followed series.
select exchange, symbol, interval, complete_to from followed where exchange = $1 and until is null;
