set role streamer_owner;
