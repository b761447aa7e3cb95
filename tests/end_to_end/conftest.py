"""The databases of the integration tests serve here too."""

from tests.integration.conftest import (
    database,
    plain_database,
    pytest_collection_modifyitems,
    servers,
    timescale_database,
)

__all__ = ["database", "plain_database", "pytest_collection_modifyitems", "servers", "timescale_database"]
