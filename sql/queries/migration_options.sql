-- What the migrations read with current_setting, for the rest of the session.
select set_config('streamer.chunk_interval', $1, false), set_config('streamer.compress_after', $2, false);
