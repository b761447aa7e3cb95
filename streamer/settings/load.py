"""Reads the tree from its sources, and turns whatever is wrong into one sentence before anything is opened."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from streamer.domain.errors import ConfigurationError
from streamer.settings.model import Settings

DEFAULT_FILE = Path("streamer.yaml")
_PREFIX = "STREAMER_"
_RESERVED = "STREAMER_TEST_"
_PASSWORD = re.compile(r"://.*@")  # and the user before it

_WORDS = {
    "model_type": "expected keys and values",
    "model_attributes_type": "expected keys and values",
    "tuple_type": "expected a list of names",
}


def load_settings(file: Path | None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings from defaults, ``file`` (None: ``streamer.yaml`` if there), the environment and ``flags``.

    Raises:
        ConfigurationError: naming the key or variable, what is wrong with it and, for unknown ones, the nearest.
    """
    _check_variables(os.environ)
    path = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    try:
        values = _merged(_read_file(path), _read_environment(), dict(flags or {}))
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_sentence(error.errors()[0], path)) from None
    if settings.clock_rate != 1.0 and not settings.all_loopback():
        raise ConfigurationError("clock_rate runs time faster, so every exchange URL must be on this machine")
    return settings


def keys(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key that holds a value, in the order of the tree."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, (*path, name))
        else:
            yield (*path, name)


def _read_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:  # its own text quotes the line, which may hold a password
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ConfigurationError(f"{path} is not YAML: {error.problem or 'unreadable'}{where}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is not YAML that can be read: nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError too for bytes, dates and numbers that cannot be
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: expected keys and values, found {type(values).__name__}")
    return values


def _read_environment() -> dict[str, Any]:
    source = EnvSettingsSource(
        Settings,  # type: ignore[arg-type]  # it reads the fields of any model
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        case_sensitive=False,
    )
    try:
        values = source()
    except SettingsError as error:
        raise ConfigurationError(f"the environment: {error}") from None
    if "database_url" not in values and (alias := os.environ.get("DATABASE_URL")):
        values["database_url"] = alias
    return values


def _check_variables(environ: Mapping[str, str]) -> None:
    known = {_PREFIX + "__".join(path).upper() for path in keys()}
    branches = {_PREFIX + "__".join(path[:depth]).upper() for path in keys() for depth in range(1, len(path))}
    for spelled, value in environ.items():
        name = spelled.upper()
        if name.startswith(_PREFIX) and not name.startswith(_RESERVED) and name not in known | branches:
            raise ConfigurationError(f"{spelled} is not a setting{_nearest(name, known)}")
        if name in branches and not _is_json_object(value):
            raise ConfigurationError(f"{spelled} holds other settings: expected a JSON object with their keys")


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The layers on top of each other, later ones win key by key."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            if isinstance(below, dict) and isinstance(value, dict):
                result[key] = _merged(below, value)
            else:
                result[key] = value
    return result


def _sentence(error: ErrorDetails, path: Path | None) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        siblings = {
            ".".join(key[: len(error["loc"])]) for key in keys() if key[: len(error["loc"]) - 1] == error["loc"][:-1]
        }
        return f"{where} is not a setting{_nearest(where, siblings or {'.'.join(key) for key in keys()})}"
    text = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    source = f" (in {path} or the environment)" if path else ""
    shown = "" if error["loc"][0] == "database_url" else f", got {error['input']!r}"  # it may hold a password
    return _PASSWORD.sub("://…@", f"{where}{source}: {text[:1].lower()}{text[1:]}{shown}")


def _nearest(name: str, known: set[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them all"
