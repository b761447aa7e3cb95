-- One note for all series of an exchange that changed in the same hours: a row for each took as long as the candles.
alter table rollup_windows add column symbols text[];
update rollup_windows set symbols = array[symbol];
alter table rollup_windows alter column symbols set not null, drop column symbol;
