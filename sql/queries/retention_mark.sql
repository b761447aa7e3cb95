-- How long candles are kept, as it was last settled; no row where they are kept for ever.
select value::interval from database_marks where name = 'retention';
