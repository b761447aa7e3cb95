-- From when on candles of each series are wanted.
select exchange, symbol, interval, since from followed;
