-- Whether this database has what the ledger needs: the migrations up to it were applied.
select to_regclass('klines') is not null and to_regclass('gaps') is not null and to_regclass('followed') is not null;
