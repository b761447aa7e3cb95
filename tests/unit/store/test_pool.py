"""A pool names its database without the password, and refuses what is no URL of one."""

import pytest

from streamer.domain.errors import ConfigurationError
from streamer.store.pool import Pool, PoolOptions


@pytest.mark.parametrize(
    ("url", "spoken"),
    [
        ("postgresql://me:s3cret@db.example:6432/candles", "the database me@db.example:6432/candles"),
        ("postgres://me:s3cret@db/candles?sslmode=require&password=s3cret", "the database me@db:5432/candles"),
        ("postgresql:///candles", "the database localhost:5432/candles"),
    ],
)
def test_the_password_is_never_spoken(url: str, spoken: str) -> None:
    """User, host, port and name are enough to find the place."""
    assert Pool(PoolOptions(url=url)).where == spoken


@pytest.mark.parametrize("url", ["", "candles", "mysql://me:s3cret@db/candles", "postgresql://me:s3cret@db:port/x"])
def test_what_is_no_database_url_is_refused(url: str) -> None:
    """In a sentence that does not repeat what may be a password."""
    with pytest.raises(ConfigurationError, match="the database URL") as refused:
        Pool(PoolOptions(url=url))
    assert "s3cret" not in str(refused.value)


async def test_closing_what_was_never_opened_is_nothing() -> None:
    """Making a pool touches no network."""
    await Pool(PoolOptions(url="postgresql://127.0.0.1:1/none")).close()
