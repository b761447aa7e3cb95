-- For this transaction: the time as of which the view completeness speaks.
select set_config('streamer.moment', $1, true);
