"""Judges of rights: who owns what, and that nobody may do more than his work."""

from streamer.app.doctor.finding import Finding, fail, ok, skipped, warn
from streamer.store.roles import OWNER
from streamer.store.vitals import Rights, Schema, Unread

_READER = "streamer_read"
_CORE = frozenset(
    [
        "breaks",
        "completeness",
        "database_marks",
        "followed",
        "gaps",
        "instruments",
        "kline_revisions",
        "klines",
        "klines_1d",
        "klines_1d_by_base",
        "klines_1h",
        "klines_1h_by_base",
        "rest_leases",
        "rollup_windows",
        "rollups",
        "schema_migrations",
    ]
)


def judge_owner(schema: Schema | Unread, rights: Rights | Unread) -> Finding:
    """Every relation of ours belongs to the role that the first migration chose."""
    check = "owner"
    if isinstance(schema, Unread) or isinstance(rights, Unread) or schema.owner is None:
        return skipped(check, "there is no schema yet, or it is not shown to this role")
    others = sorted(one.name for one in rights.relations if one.name in _CORE and one.owner != schema.owner)
    if others:
        cure = f"as a superuser: alter table {others[0]} owner to {schema.owner}, and so on"
        return fail(check, f"{', '.join(others)} do not belong to {schema.owner}", cure)
    if schema.owner != OWNER:
        sentence = f"everything belongs to {schema.owner}, who might not make roles: reading is granted by hand"
        return ok(check, sentence)
    return ok(check, f"everything belongs to {OWNER}")


def judge_user(rights: Rights | Unread, *, embedded: bool) -> Finding:
    """Nobody works as a superuser, save in a private PostgreSQL."""
    check = "user"
    if isinstance(rights, Unread):
        return skipped(check, rights.reason)
    if rights.service_is_superuser:
        return fail(check, "the role streamer is a superuser", "alter role streamer nosuperuser")
    if embedded:
        return ok(check, f"{rights.name}, of the private PostgreSQL")
    if rights.is_superuser:
        return warn(check, f"{rights.name} is a superuser", "give the URL of the role streamer")
    return ok(check, f"{rights.name} is no superuser")


def judge_reader(schema: Schema | Unread, rights: Rights | Unread) -> Finding:
    """``streamer_read`` reads everything of ours and changes nothing."""
    check = "reading role"
    if isinstance(schema, Unread) or isinstance(rights, Unread) or schema.owner is None:
        return skipped(check, "there is no schema yet, or it is not shown to this role")
    ours = [one for one in rights.relations if one.owner == schema.owner]
    if not ours or any(one.readable is None for one in ours):
        return skipped(check, f"there is no role {_READER}: this server's roles were not ours to make")
    writable = sorted(one.name for one in ours if one.writable)
    if writable or rights.reader_may_create or rights.reader_is_owner:
        what = f"may change {', '.join(writable)}" if writable else "may create, or act as the owner"
        return fail(check, f"{_READER} {what}", f"revoke that from {_READER}, and from public")
    unreadable = sorted(one.name for one in ours if not one.readable)
    if unreadable:
        cure = f"grant select on all tables in schema public to {_READER}"
        return warn(check, f"{_READER} may not read {', '.join(unreadable)}", cure)
    return ok(check, f"{_READER} reads all {len(ours)} relations and changes none")
