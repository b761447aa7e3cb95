-- Leave a word in the session.
set streamer.probe = 'left here';
