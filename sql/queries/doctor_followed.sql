-- How many series are followed, by length of candle.
select interval, count(*) as series from followed where until is null group by interval;
