"""Judges of the server itself: version, sessions, locks, vacuum, compiler, clock. They know nothing of candles."""

from streamer.app.doctor.finding import Finding, fail, ok, skipped, warn
from streamer.store.vitals import Server, Storage, Unread

_VERSIONS = range(15, 19)  # what the tests run on
_FREE_CONNECTIONS = 12  # a service takes up to 6, a backfill beside it as many
_FROZEN_AGE = 1_000_000_000  # at 2,100 million PostgreSQL refuses to write
_WARN_OFFSET_S = 2.0
_FAIL_OFFSET_S = 60.0


def judge_version(server: Server) -> Finding:
    """PostgreSQL 15 to 18."""
    check = "PostgreSQL"
    if server.major < _VERSIONS.start:
        return fail(check, f"version {server.version} is too old", f"PostgreSQL {_VERSIONS.start} or newer")
    if server.major not in _VERSIONS:
        return warn(check, f"streamer was not tried with version {server.version}", "update streamer")
    return ok(check, f"version {server.version}")


def judge_pooler(pooled: bool | Unread) -> Finding:  # noqa: FBT001 - the fact itself
    """Sessions must keep what is left in them."""
    check = "sessions"
    if isinstance(pooled, Unread):
        return skipped(check, f"a second connection could not be had: {pooled.reason}")
    if pooled:
        return fail(check, "a pooler in transaction mode is between", "the URL of the server, or session mode")
    return ok(check, "each connection has a session of its own")


def judge_connections(server: Server) -> Finding:
    """There must be room for a service and a verb beside it."""
    check = "connections"
    most = server.number("max_connections")
    if most is None:
        return skipped(check, "max_connections is not shown to this role")
    kept = sum(server.number(name) or 0 for name in ("superuser_reserved_connections", "reserved_connections"))
    free = most - kept - server.connected
    sentence = f"{server.connected} of {most} are in use, {max(free, 0)} can be had"
    if free < _FREE_CONNECTIONS:
        return warn(check, sentence, "raise max_connections, or find who holds them in pg_stat_activity")
    return ok(check, sentence)


def judge_locks(server: Server, storage: Storage | Unread) -> Finding:
    """A statement over all chunks locks each of them, with its indexes."""
    check = "locks"
    each, sessions = server.number("max_locks_per_transaction"), server.number("max_connections")
    if each is None or sessions is None or isinstance(storage, Unread):
        return skipped(check, "the settings, or the chunks, are not shown to this role")
    room = each * (sessions + (server.number("max_prepared_transactions") or 0))
    if storage.chunk_interval is None:
        return ok(check, f"room for {room:,}")
    sentence = f"room for {room:,}, and a statement over all chunks takes up to {storage.lockable:,}"
    if storage.lockable > room // 2:
        wanted = 2 * storage.lockable // sessions + 1
        return warn(check, sentence, f"set max_locks_per_transaction to {wanted:,} or more, and restart the server")
    return ok(check, sentence)


def judge_vacuum(server: Server) -> Finding:
    """Without autovacuum tables bloat, and at last PostgreSQL refuses to write."""
    check = "vacuum"
    if server.settings.get("autovacuum") == "off":
        return fail(check, "autovacuum is off", "alter system set autovacuum = on; select pg_reload_conf()")
    if server.frozen_age > _FROZEN_AGE:
        sentence = f"the oldest transaction is {server.frozen_age:,} behind; at 2,100,000,000 writing ends"
        return fail(check, sentence, "vacuumdb --freeze, and find what holds autovacuum up in pg_stat_activity")
    return ok(check, f"autovacuum is on, the oldest transaction is {server.frozen_age:,} behind")


def judge_jit(server: Server) -> Finding:
    """Compiling costs more than any query of ours."""
    check = "jit"
    value = server.settings.get("jit")
    if value is None:
        return skipped(check, "the setting is not shown to this role")
    if value == "on":
        cure = "alter database … set jit = off"
        return warn(check, "it is on: compiling takes longer than the queries over many chunks that it is for", cure)
    return ok(check, "it is off")


def judge_clock(server: Server) -> Finding:
    """Policies and completeness go by the server's time, everything else by the exchanges'."""
    check = "clock of the database"
    off_s = max(0.0, abs(server.offset_s) - server.error_s)
    sentence = f"{off_s:.1f} s {'ahead of' if server.offset_s > 0 else 'behind'} this machine's"
    if off_s >= _FAIL_OFFSET_S:
        return fail(check, sentence, "let both machines take their time from NTP")
    if off_s >= _WARN_OFFSET_S:
        return warn(check, sentence, "let both machines take their time from NTP")
    return ok(check, f"agrees with this machine's to {max(off_s, server.error_s):.3f} s")
