"""The exchanges: one sub-package each, a value of facts and pure functions.

``discover`` is the only way in. Nothing here names an exchange, so a fourth one is a folder and no edit.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from streamer.protocol.adapter import ExchangeAdapter


def discover() -> Mapping[str, ExchangeAdapter]:
    """Every exchange's adapter by its name, in the order of the names.

    Raises:
        TypeError: a sub-package exports no adapter, or more than one.
    """
    found = [_adapter_of(f"{__name__}.{entry.name}") for entry in pkgutil.iter_modules(__path__) if entry.ispkg]
    return {adapter.name: adapter for adapter in sorted(found, key=lambda adapter: adapter.name)}


def _adapter_of(package: str) -> ExchangeAdapter:
    exported = [
        value for value in vars(importlib.import_module(package)).values() if isinstance(value, ExchangeAdapter)
    ]
    if len(exported) != 1:
        raise TypeError(f"{package} must export exactly one ExchangeAdapter, and exports {len(exported)}")
    return exported[0]
