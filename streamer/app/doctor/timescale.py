"""Judges of TimescaleDB: which kind of database this is, and whether the policies do their work."""

from datetime import timedelta

from streamer.app.doctor.finding import Finding, fail, ok, skipped, warn
from streamer.store.kinds import Kind
from streamer.store.vitals import Building, Extension, Policies, Policy, Schema, Server, Storage, Unread

_REFRESH, _COMPRESSION = "policy_refresh_continuous_aggregate", "policy_compression"
_WORDS = {_REFRESH: "refreshing", _COMPRESSION: "compressing", "policy_retention": "dropping old chunks of"}
_COMMUNITY = "timescale"
_MOST_CHUNKS = 600  # planning takes about a millisecond for each, in queries that may need any of them
_RUNS_MISSED = 3
_LEAST_LATE = timedelta(hours=1)


def judge_kind(extension: Extension | Unread, schema: Schema | Unread) -> Finding:
    """What the schema was made for must still be there, with its licence."""
    check = "kind of database"
    if isinstance(extension, Unread) or isinstance(schema, Unread):
        return skipped(check, "what is installed is not shown to this role")
    if schema.kind is None:
        return skipped(check, "it is found out by the first migration")
    return (_judge_chunked if schema.kind == Kind.TIMESCALEDB else _judge_plain)(check, extension)


def _judge_chunked(check: str, extension: Extension) -> Finding:
    if extension.installed is None or extension.licence is None:
        cure = "shared_preload_libraries = 'timescaledb', and restart the server"
        return fail(check, "the schema needs TimescaleDB, which is not loaded", cure)
    if extension.licence != _COMMUNITY:
        sentence = f"the schema needs the community licence, and TimescaleDB has that of {extension.licence}"
        return fail(check, sentence, "timescaledb.license = 'timescale', and restart the server")
    if extension.available not in {None, extension.installed}:
        sentence = f"TimescaleDB {extension.installed} works here, and the server has {extension.available}"
        return warn(check, sentence, "alter extension timescaledb update, as the first statement of a session")
    return ok(check, f"TimescaleDB {extension.installed}, community licence")


def _judge_plain(check: str, extension: Extension) -> Finding:
    if extension.licence == _COMMUNITY and extension.available is not None:
        sentence = "a plain table, although TimescaleDB could be had"
        return warn(check, sentence, "moving is described in docs/operating.md")
    licence = f", TimescaleDB {extension.installed} with the {extension.licence} licence" if extension.installed else ""
    return ok(check, f"plain PostgreSQL{licence}")


def judge_restoring(server: Server) -> Finding:
    """While a restore is under way no job of TimescaleDB runs."""
    check = "jobs of TimescaleDB"
    if server.settings.get("timescaledb.restoring") == "on":
        return fail(check, "switched off by a restore that was not finished", "select timescaledb_post_restore()")
    return ok(check, "switched on")


def judge_chunks(storage: Storage | Unread) -> Finding:
    """Every query without a range of time plans for each chunk."""
    check = "chunks"
    if isinstance(storage, Unread):
        return skipped(check, storage.reason)
    sentence = f"klines has {storage.chunks:,}"
    if storage.chunks > _MOST_CHUNKS:
        cure = "join them while they are compressed (docs/operating.md, chunks)"
        return warn(check, f"{sentence}: queries over all of them plan for seconds", cure)
    return ok(check, sentence)


def judge_policies(policies: Policies | Unread, building: Building | Unread) -> list[Finding]:
    """Each aggregate is refreshed and klines compressed; what is there runs, and did so lately.

    An aggregate that is not filled yet is to have no policy: a refresh would hide what it lacks.
    """
    if isinstance(policies, Unread):
        return [skipped("policies", policies.reason)]
    found = [_judge_policy(policy) for policy in policies.jobs]
    unfinished = () if isinstance(building, Unread) else {f"klines_{name}_by_base" for name in building.unfinished}
    refreshed = {policy.relation for policy in policies.jobs if policy.name == _REFRESH}
    for view, hypertable in policies.aggregates:
        if view not in unfinished and not {view, hypertable} & refreshed:
            cure = f"select add_continuous_aggregate_policy('{view}', null, <one bucket>, <one hour>)"
            found.append(fail(f"refreshing {view}", "the policy is not there", cure))
    if not any((policy.name, policy.relation) == (_COMPRESSION, "klines") for policy in policies.jobs):
        cure = "streamer migrate, which makes it as storage.compress_after says"
        found.append(warn("compressing klines", "the policy is not there: all chunks stay rows", cure))
    return found


def _judge_policy(policy: Policy) -> Finding:
    check = f"{_WORDS.get(policy.name, policy.name)} {policy.relation}"
    if not policy.scheduled:
        return fail(check, "the policy is switched off", "select alter_job(job_id, scheduled => true)")
    if policy.failed:
        return fail(check, "the last run failed", "select * from timescaledb_information.job_errors, as streamer")
    if policy.since is None:
        return warn(check, "it has never run", "run again in an hour; then look into the server's log")
    if policy.since > max(_RUNS_MISSED * policy.every, _LEAST_LATE):
        cure = "raise timescaledb.max_background_workers and max_worker_processes, and restart the server"
        return warn(check, f"ran last {_span(policy.since)} ago, and should every {_span(policy.every)}", cure)
    return ok(check, f"ran {_span(policy.since)} ago")


def _span(span: timedelta) -> str:
    for unit, name in ((timedelta(days=1), "days"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if span >= 2 * unit:
            return f"{span // unit} {name}"
    return f"{span.total_seconds():.0f} s"
