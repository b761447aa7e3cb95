-- Whether the word is in this session.
select coalesce(current_setting('streamer.probe', true), '') = 'left here';
