"""Where settings come from, and how whatever is wrong is said in one sentence."""

from pathlib import Path

import pytest

from streamer.domain.errors import ConfigurationError
from streamer.settings.load import keys, load_settings
from streamer.settings.model import Settings

LOOPBACK = {
    f"STREAMER_EXCHANGES__BINANCE__URLS__{market}__{side}": f"{scheme}://127.0.0.1:9"
    for market in ("SPOT", "LINEAR", "INVERSE")
    for side, scheme in (("WS", "ws"), ("REST", "http"))
}


class Sources:
    """A folder of its own for the file, and an environment that holds nothing else of ours."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "streamer.yaml"
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)

    def write(self, text: str) -> None:
        """Write the default file."""
        self.file.write_text(text, encoding="utf-8")

    def set(self, **variables: str) -> None:
        """Set variables of the environment."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def problem(self, text: str | None = None, **variables: str) -> str:
        """The one sentence that these sources give."""
        if text is not None:
            self.write(text)
        self.set(**variables)
        with pytest.raises(ConfigurationError) as caught:
            load_settings(None)
        sentence = str(caught.value)
        assert "\n" not in sentence
        assert "pydantic" not in sentence
        return sentence


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Empty sources."""
    return Sources(tmp_path, monkeypatch)


# ---------------------------------------------------------------- precedence


def test_flag_beats_environment_beats_file_beats_default(sources: Sources) -> None:
    """Key by key, within one branch too."""
    assert load_settings(None).http.port == 8_000
    sources.write("http: {port: 1, host: 1.1.1.1}\nlog_level: error\n")
    assert load_settings(None).http.port == 1
    sources.set(STREAMER_HTTP__PORT="2")
    assert load_settings(None).http.port == 2
    settings = load_settings(None, {"http": {"port": 3}})
    assert (settings.http.port, settings.http.host, settings.log_level) == (3, "1.1.1.1", "error")


def test_a_named_file_is_read_instead_of_the_default_one(sources: Sources, tmp_path: Path) -> None:
    """The default file is not mixed in."""
    sources.write("http: {port: 1}")
    other = tmp_path / "other.yaml"
    other.write_text("log_level: error")
    settings = load_settings(other)
    assert (settings.http.port, settings.log_level) == (8_000, "error")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_nothing(sources: Sources, text: str) -> None:
    """It is the same as none."""
    assert load_settings(None) == Settings()
    sources.write(text)
    assert load_settings(None) == Settings()


@pytest.mark.parametrize(
    "text", ['["BTC-USDT", "*-PERP"]', "BTC-USDT,*-PERP", " BTC-USDT , *-PERP ", "['BTC-USDT','*-PERP']"]
)
def test_a_list_in_a_variable_may_be_written_either_way(sources: Sources, text: str) -> None:
    """As JSON or with commas."""
    sources.set(STREAMER_EXCHANGES__BINANCE__SYMBOLS=text, STREAMER_EXCHANGES__BINANCE__INTERVALS="1m,1h")
    binance = load_settings(None).exchange("binance")
    assert binance.symbols == ("BTC-USDT", "*-PERP")
    assert [interval.value for interval in binance.intervals] == ["1m", "1h"]


def test_a_branch_may_be_one_variable(sources: Sources) -> None:
    """As a JSON object, with single keys on top."""
    sources.set(STREAMER_HTTP='{"host": "::1", "port": 5}', STREAMER_HTTP__PORT="6")
    assert load_settings(None).http.model_dump() == {"host": "::1", "port": 6}


def test_database_url_is_an_alias(sources: Sources) -> None:
    """It beats the file, as any variable does, and yields to the full name; empty, it says nothing."""
    sources.write("database_url: postgresql://file/d")
    sources.set(DATABASE_URL="")
    assert load_settings(None).database_url == "postgresql://file/d"
    sources.set(DATABASE_URL="postgres://alias/d")
    assert load_settings(None).database_url == "postgres://alias/d"
    sources.set(STREAMER_DATABASE_URL="postgresql://full/d")
    assert load_settings(None).database_url == "postgresql://full/d"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@[::1]:5432/d",
        "postgresql://10.0.0.1/d",
        "postgresql://h\u00e4user.example/d",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/d",
        f"postgresql://{'a' * 63}.example./d",
    ],
)
def test_a_host_may_be_any_that_can_be_looked_up(sources: Sources, url: str) -> None:
    """An address, a name of any script, or the path of a socket."""
    sources.set(DATABASE_URL=url)
    assert load_settings(None).database_url == url


def test_a_variable_may_be_written_in_lower_case(sources: Sources) -> None:
    """It is the same variable."""
    sources.set(streamer_http__port="5")
    assert load_settings(None).http.port == 5


def test_variables_of_the_tests_are_none_of_ours(sources: Sources) -> None:
    """The reserved prefix may hold anything."""
    sources.set(STREAMER_TEST_TIMESCALE_URL="postgresql://x", STREAMER_TEST_ANYTHING="1")
    assert load_settings(None) == Settings()


# ---------------------------------------------------------------- one sentence


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("databse_url: x", ["databse_url is not a setting", "did you mean database_url?"]),
        ("http: {prot: 1}", ["http.prot is not a setting", "http.port?"]),
        ("exchanges: {binanse: {}}", ["exchanges.binanse", "exchanges.binance?"]),
        ("exchanges: {okx: {symbol: [A]}}", ["exchanges.okx.symbol", "exchanges.okx.symbols?"]),
        ("exchanges: {okx: {urls: {sport: {}}}}", ["exchanges.okx.urls.sport", "exchanges.okx.urls.spot?"]),
        ("zzzzzzzz: 1", ["zzzzzzzz is not a setting", "docs/settings.md"]),
        ("1: 2", ["1 "]),
        ("http: {port: many}", ["http.port", "integer", "'many'"]),
        ("http: {port: 70000}", ["http.port", "65535", "70000"]),
        ("http:", ["http", "None"]),
        ("http: 5", ["http", "5"]),
        ("exchanges: {okx: null}", ["exchanges.okx ", "expected keys and values", "None"]),
        ("exchanges: {okx: {symbols: 5}}", ["exchanges.okx.symbols ", "expected a list of names", "5"]),
        ("http: {port: true}", ["http.port", "number", "True"]),
        ("rest: {share: true}", ["rest.share", "number", "True"]),
        ("data_dir: ''", ["data_dir", "folder"]),
        ('data_dir: "a\\0b"', ["data_dir", "NUL"]),
        ("database_url: postgresql://u@a..b/d", ["database_url", "host"]),
        (f"database_url: postgresql://u@{'a' * 64}.com/d", ["database_url", "host"]),
        ("exchanges: {okx: {urls: {spot: {ws: 'ws://a..b'}}}}", ["okx.urls.spot.ws", "host"]),
        ("exchanges: {okx: {urls: {spot: {rest: 'http://a b'}}}}", ["okx.urls.spot.rest", "host"]),
        ("a: " + "[" * 5_000, ["streamer.yaml", "not YAML that can be read: nested too deep"]),
        ("\n".join(" " * depth + "a:" for depth in range(3_000)), ["streamer.yaml", "nested too deep"]),
        ("a: 2026-13-45", ["streamer.yaml", "not YAML"]),
        ("exchanges: {okx: {intervals: [1m, 2m]}}", ["exchanges.okx.intervals.1", "'2m'", "1m, 3m, 5m"]),
        ("exchanges: {okx: {intervals: []}}", ["exchanges.okx.intervals", "at least 1"]),
        ("exchanges: {okx: {symbols: [1]}}", ["exchanges.okx.symbols.0", "string", "1"]),
        ("exchanges: {okx: {urls: {spot: {ws: 'https://x'}}}}", ["exchanges.okx.urls.spot.ws", "ws://", "https://x"]),
        ("exchanges: {okx: {urls: {spot: {rest: 'x.com'}}}}", ["exchanges.okx.urls.spot.rest", "http://", "x.com"]),
        ("exchanges: {okx: {urls: {spot: {rest: 'http://'}}}}", ["exchanges.okx.urls.spot.rest", "http://"]),
        ("exchanges: {okx: {urls: {spot: {rest: 'http://h:99999'}}}}", ["exchanges.okx.urls.spot.rest", "99999"]),
        ("rest: {share: 0}", ["rest.share", "0"]),
        ("rest: {share: 1.5}", ["rest.share", "1.5"]),
        ("storage: {chunk_interval: 7}", ["storage.chunk_interval", "7d", "7"]),
        ("storage: {chunk_interval: 7w}", ["storage.chunk_interval", "7w"]),
        ("storage: {chunk_interval: 0d}", ["storage.chunk_interval", "0d"]),
        ("storage: {compress_after: 99999999999d}", ["storage.compress_after", "99999999999d"]),
        ("storage: {rollups: [1h, 2h]}", ["storage.rollups", "2h", "5m, 15m, 1h, 4h, 1d, 1w"]),
        ("storage: {retention: 9d}", ["storage.retention", "at least 10d", "chunk_interval"]),
        ("storage: {retention: 29d, chunk_interval: 27d}", ["storage.retention", "at least 30d"]),
        ("storage: {retention: 90h, chunk_interval: 1h}", ["storage.retention", "at least 4d"]),
        ("storage: {retention: forever}", ["storage.retention", "7d", "forever"]),
        ("buffer_candles: 10", ["buffer_candles", "1000", "10"]),
        ("shutdown_seconds: 0", ["shutdown_seconds", "0"]),
        ("shutdown_seconds: .nan", ["shutdown_seconds"]),
        ("shutdown_seconds: .inf", ["shutdown_seconds"]),
        ("log_level: loud", ["log_level", "loud", "debug"]),
        ("migrate: perhaps", ["migrate", "perhaps"]),
        ("- a", ["streamer.yaml", "list"]),
        ("a: [", ["streamer.yaml", "not YAML", "line 1"]),
        ("!!python/object:os.system x", ["streamer.yaml", "not YAML"]),
        ("a\x00: 1", ["streamer.yaml", "not YAML"]),
        ("? [a]\n: b", ["streamer.yaml", "not YAML"]),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_the_thing(sources: Sources, text: str, parts: list[str]) -> None:
    """The key, what is wrong with it or the nearest key, and what was found."""
    sentence = sources.problem(text)
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("STREAMER_HTTP__PROT", "1", ["STREAMER_HTTP__PROT is not a setting", "STREAMER_HTTP__PORT?"]),
        ("STREAMER_HTTP__PORT__X", "1", ["STREAMER_HTTP__PORT__X is not a setting"]),
        ("STREAMER_EXCHANGES__OKEX__SYMBOLS", "A", ["STREAMER_EXCHANGES__OKX__SYMBOLS?"]),
        ("streamer_foo", "1", ["streamer_foo is not a setting"]),
        ("Streamer_Http__Prot", "1", ["Streamer_Http__Prot is not a setting", "STREAMER_HTTP__PORT?"]),
        ("STREAMER_DATA_DIR", "", ["data_dir"]),
        ("STREAMER_QQQQQQ", "1", ["STREAMER_QQQQQQ is not a setting"]),
        ("STREAMER_HTTP__PORT", "x", ["http.port", "'x'"]),
        ("STREAMER_HTTP", "x", ["STREAMER_HTTP", "JSON"]),
        ("STREAMER_EXCHANGES", "{", ["STREAMER_EXCHANGES", "JSON"]),
        ("STREAMER_EXCHANGES__OKX__URLS", "{", ["STREAMER_EXCHANGES__OKX__URLS", "JSON"]),
        ("STREAMER_EXCHANGES__OKX__INTERVALS", "1x", ["exchanges.okx.intervals.0", "'1x'"]),
    ],
)
def test_a_bad_variable_is_one_sentence_that_names_the_thing(
    sources: Sources, name: str, value: str, parts: list[str]
) -> None:
    """Unknown names come with the nearest; values with their key."""
    sentence = sources.problem(**{name: value})
    for part in parts:
        assert part in sentence


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Only the default file may be absent."""
    with pytest.raises(ConfigurationError, match=r"gone\.yaml: No such file"):
        load_settings(tmp_path / "gone.yaml")


def test_a_file_that_is_not_text_is_said(sources: Sources, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no YAML."""
    sources.file.write_bytes(b"\xff\xfe\x00a")
    assert "not YAML" in sources.problem()
    with pytest.raises(ConfigurationError):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "database_url: mysql://user:hunter2@host/d",
        "database_url: postgresql://user:hunter2[@host/d",
        "database_url: postgresql://user:hunter2\u2100@host/d",
        "database_url: postgresql://user:hunter2@host:99999/d",
        "database_url: [postgresql://user:hunter2@host/d]",
        'database_url: "postgresql://user:hunter2@host/d',
        "database_url: postgresql://user:hunter2@host/d\n- a",
        "databse_url: postgresql://user:hunter2@host/d",
        "database_url: postgresql://user:hunter2@a..b/d",
        "exchanges: {okx: {urls: {spot: {rest: 'http://user:hunter2@a..b'}}}}",
        "exchanges: {okx: {urls: {spot: {rest: 'ftp://user:my hunter2@host'}}}}",
        "http: postgresql://user:hunter2@host/d",
        "http: {port: 'postgresql://user:hunter2@host/d'}",
        "exchanges: {okx: {urls: {spot: {rest: 'ftp://user:hunter2@host'}}}}",
    ],
)
def test_a_password_is_never_shown(sources: Sources, text: str) -> None:
    """Whatever is wrong with the line that holds it."""
    assert "hunter2" not in sources.problem(text)


@pytest.mark.parametrize("name", ["DATABASE_URL", "STREAMER_DATABASE_URL", "STREAMER_HTTP", "STREAMER_HTTP__PORT"])
def test_a_password_in_the_environment_is_never_shown(sources: Sources, name: str) -> None:
    """Nor where it was put under the wrong name."""
    assert "hunter2" not in sources.problem(**{name: "mysql://user:hunter2@host/d"})


# ---------------------------------------------------------------- fast time


def test_fast_time_needs_every_exchange_to_be_on_this_machine(sources: Sources) -> None:
    """One URL of the world's among those that run is one too many."""
    assert "clock_rate" in sources.problem(STREAMER_CLOCK_RATE="60")
    sources.set(STREAMER_EXCHANGES__BINANCE__SYMBOLS="BTC-USDT", **LOOPBACK)
    assert load_settings(None).clock_rate == 60.0
    assert "clock_rate" in sources.problem(STREAMER_EXCHANGES__BINANCE__URLS__LINEAR__REST="https://fapi.binance.com")


def test_the_keys_are_those_of_the_tree() -> None:
    """Every leaf is listed once, branches are not."""
    listed = [".".join(key) for key in keys()]
    assert len(listed) == len(set(listed))
    assert {"database_url", "http.port", "exchanges.okx.urls.inverse.ws"} <= set(listed)
    assert "http" not in listed
