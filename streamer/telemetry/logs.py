"""Log lines: JSON when nobody watches, coloured text on a terminal. One line per fact, nothing per frame."""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson
import structlog


def configure_logs(
    stream: TextIO, level: str = "info", *, json: bool | None = None
) -> structlog.typing.FilteringBoundLogger:
    """The logger of the process, writing to ``stream``; ``json`` None means: unless the stream is a terminal."""
    as_json = not stream.isatty() if json is None else json
    renderer: structlog.typing.Processor
    if as_json:
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=32)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(stream=stream, level=logging.ERROR, format="%(message)s", force=True)
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _error_as_text,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=True,
    )
    bound: structlog.typing.FilteringBoundLogger = logger.bind()
    return bound


def quiet_logger() -> structlog.typing.FilteringBoundLogger:
    """A logger for commands that speak to people themselves: warnings and errors on standard error."""
    return configure_logs(sys.stderr, "warning")


def _to_json(event: object, **_: object) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except orjson.JSONEncodeError:  # a huge integer, or a file name that is no UTF-8: slower, but a log never raises
        return json.dumps(event, default=str)


def _error_as_text(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show an exception as its sentence; a traceback is for bugs, and those end the process."""
    for key, value in event.items():
        if isinstance(value, BaseException):
            event[key] = str(value) or type(value).__name__
    return event
