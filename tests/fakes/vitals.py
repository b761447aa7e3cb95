"""The vitals of a healthy database on TimescaleDB, for judges: each test makes one part of it ill."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from streamer.store.statements import migrations
from streamer.store.vitals import (
    Books,
    Building,
    Extension,
    Policies,
    Policy,
    Relation,
    Rights,
    Schema,
    Server,
    Storage,
    Vitals,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GIB = 1 << 30
SERVER = Server(
    version="18.6",
    major=18,
    address="10.0.0.7",
    offset_s=0.001,
    error_s=0.002,
    connected=7,
    frozen_age=1_000,
    bytes=20 * GIB,
    settings={
        "autovacuum": "on",
        "jit": "off",
        "max_connections": "100",
        "superuser_reserved_connections": "3",
        "max_locks_per_transaction": "64",
        "shared_buffers": str(GIB),
        "effective_cache_size": str(4 * GIB),
        "timescaledb.restoring": "off",
    },
)
EXTENSION = Extension("2.29.2", "2.29.2", "timescale")
STORAGE = Storage(
    bytes=10 * GIB, candles=100_000_000, active_bytes=GIB // 2, active_index_bytes=GIB // 6, chunk_interval=7 * DAY,
    chunks=250, lockable=1_000,
)  # fmt: skip
BOOKS = Books(followed={"1m": 100}, open_gaps={})
BUILDING = Building(waiting=0, oldest=None, unfinished=())


def schema(kind: str = "timescaledb", owner: str = "streamer_owner") -> Schema:
    """A schema with every migration of this program."""
    return Schema(kind, owner, tuple((one.number, one.name, one.checksum) for one in migrations(kind)))


def server(**changed: Any) -> Server:
    """The server; what is no field of it is a setting, None takes it away, and ``__`` stands for a full stop."""
    fields = {name: value for name, value in changed.items() if hasattr(SERVER, name)}
    settings: dict[str, Any] = dict(SERVER.settings)
    for name, value in changed.items():
        if name not in fields:
            settings[name.replace("__", ".")] = value
    kept = {name: value for name, value in settings.items() if value is not None}
    return replace(SERVER, settings=kept, **fields)


def policy(name: str = "policy_compression", relation: str = "klines", **changed: Any) -> Policy:
    """A policy that ran ten minutes ago."""
    fields: dict[str, Any] = {"scheduled": True, "every": HOUR, "failed": False, "since": 10 * MINUTE, **changed}
    return Policy(name=name, relation=relation, **fields)


def policies(*more: Policy) -> Policies:
    """What the migrations make, and ``more``."""
    refresh = "policy_refresh_continuous_aggregate"
    jobs = (policy(), policy(refresh, "klines_1h_by_base"), policy(refresh, "klines_1d_by_base"), *more)
    return Policies(jobs, (("klines_1d_by_base", "_materialized_3"), ("klines_1h_by_base", "_materialized_2")), None)


def relation(name: str, owner: str = "streamer_owner", **changed: Any) -> Relation:
    """A relation that may be read and not be written."""
    fields: dict[str, Any] = {"readable": True, "writable": False, **changed}
    return Relation(name=name, owner=owner, **fields)


def rights(*relations: Relation, **changed: Any) -> Rights:
    """The rights of ``streamer``, over ``klines`` unless others are given."""
    fields: dict[str, Any] = {
        "name": "streamer",
        "is_superuser": False,
        "service_is_superuser": False,
        "reader_may_create": False,
        "reader_is_owner": False,
        **changed,
    }
    return Rights(relations=relations or (relation("klines"),), **fields)


def vitals(**changed: Any) -> Vitals:
    """All of it."""
    fields: dict[str, Any] = {
        "server": SERVER,
        "extension": EXTENSION,
        "schema": schema(),
        "policies": policies(),
        "storage": STORAGE,
        "rights": rights(),
        "books": BOOKS,
        "building": BUILDING,
        "pooled": False,
        **changed,
    }
    return Vitals(**fields)
