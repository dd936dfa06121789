"""The connection of a results folder to MLflow: a server or a SQLite database, its lock, and what its errors mean.

Only modules of this folder import mlflow. They do so inside functions, because mlflow may not be installed.
"""

from __future__ import annotations

import os
import re
import sqlite3
import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from benchmarks.files import addresses, partials

if TYPE_CHECKING:
    from mlflow import MlflowClient

# fmt: off
ENVIRONMENT = {  # used unless the user has set another value; without them, mlflow waits four minutes for a dead server
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# fmt: on
LOCK_SECONDS = 300
"""How long to wait for the lock: its holder may be creating the database. A process that has ended holds no lock."""
NETWORK = {  # how urllib3 says it: what is said
    "Connection refused": "connection refused",
    "Connection reset": "the server closed the connection",
    "Connection aborted": "the server closed the connection",
    "Failed to resolve": "no such host",
}
MARKER = "mlflow.json"
"""File of a run's directory or a report's folder: what MLflow has of it."""


class Connection:
    """A results folder's connection to MLflow. Hold `lock` while you connect and write.

    A database that two processes create at the same time is broken. The lock file of a database lies beside it, because
    several results folders may share the database.
    """

    def __init__(self, results: Path) -> None:
        os.environ.update(ENVIRONMENT | dict(os.environ))  # before the first import of mlflow
        self.results = results.resolve()
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or addresses.of_file(self.results / "mlflow.db")
        self.database = addresses.file_of(self.uri)
        beside = self.database or self.results / "mlflow"
        self.lock = FileLock(beside.with_suffix(".lock"), timeout=LOCK_SECONDS)

    @property
    def is_server(self) -> bool:
        return "://" in self.uri and not self.uri.startswith(("sqlite", "file"))

    @property
    def masked_uri(self) -> str:
        """The address without its secrets, as it may be written to a file."""
        return one_line(self.uri)

    def exists(self) -> bool:
        """Whether the database exists; a server is assumed to exist."""
        return self.database is None or self.database.exists()

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client. A database that does not exist is created. Raises whatever mlflow raises."""
        warnings.filterwarnings("ignore", module="mlflow")  # mlflow uses deprecated functions of sqlalchemy
        from mlflow import MlflowClient

        if addresses.is_in_memory(self.uri):
            raise RuntimeError("a database in memory ends with this process; name a file, as in sqlite:///mlflow.db")
        if self.database and not self.database.exists():
            for marker in self.results.rglob(MARKER):  # they are of a database that has been removed
                marker.unlink(missing_ok=True)
            self._make(self.database)
        if self.database:  # a locked database: this raises within 5 s, mlflow would try for 100 s
            sqlite3.connect(self.database, timeout=5).execute("BEGIN IMMEDIATE").connection.close()
        return MlflowClient(self.uri)

    def _make(self, database: Path) -> None:
        """Create a database under another name, then rename it: one that is half created would be of no use."""
        from mlflow import MlflowClient

        partial = database.with_name(f"{database.name}.partial")
        try:
            partial.write_bytes(b"")  # empties what a killed process has left; fails at once if nothing can be written
            MlflowClient(addresses.of_file(partial))
            partial.replace(database)
        except BaseException:  # for example a full disk
            for left in (partial, partial.with_name(f"{partial.name}-journal")):
                partials.remove(left)
            raise

    def said(self, error: Exception) -> str:
        """One line about an error of MLflow: where it is, what it is, and how to mend it if that is known."""
        where = addresses.masked(self.uri.replace(" ", "%20"))  # for `masked`, an address ends at a blank
        what = str(error).replace(self.uri, where)
        return one_line(f"MLflow at {where}: {_of_network(what) or _of_schema(what) or what}")


def one_line(text: str) -> str:
    """A text without line breaks, SQL and the secrets of addresses; its first 400 characters."""
    return addresses.masked(" ".join(text.partition("[SQL:")[0].split()))[:400]


def _of_network(text: str) -> str:
    """That a server does not answer or refuses, in few words; empty if the text says something else."""
    if "Read timed out" in text:
        return f"no answer within {os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT']} s (MLFLOW_HTTP_REQUEST_TIMEOUT)"
    return next((said for sign, said in NETWORK.items() if sign in text), "")


def _of_schema(text: str) -> str:
    """What to do about a database of another version of MLflow; empty if the text says something else."""
    found = re.search(r"out-of-date database schema \(found version (\w+)", text)
    if not found:
        return ""
    import mlflow

    here, known = f"MLflow {mlflow.__version__}", Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    if any(known.glob(f"{found[1]}_*.py")):
        return f"the database is older than {here}: copy it, then `mlflow db upgrade` with this address mends it"
    return f"the database is of a newer MLflow than {here}: install that one, or name another database"
