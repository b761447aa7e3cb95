-- From now on this rollup is kept right: all that was stored is in it.
call finish_rollup($1::text);
