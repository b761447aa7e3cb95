-- Whether this database has what the ledger and the refresher need: the migrations up to them were applied.
select to_regclass('klines') is not null and to_regclass('gaps') is not null and to_regclass('followed') is not null
    and to_regclass('rollups') is not null;
