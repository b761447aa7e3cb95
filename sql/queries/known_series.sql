-- Every series that is or was followed, or has a gap.
select exchange, symbol, interval from followed
union
select exchange, symbol, interval from gaps
order by 1, 2, 3;
