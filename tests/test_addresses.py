"""Addresses of stores: files of any name as URIs and back, and what is never printed of an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.files.addresses import file_of, is_in_memory, masked, of_file

WITH_SECRETS = {
    "http://me:secret@127.0.0.1:9": "http://***@127.0.0.1:9",
    "HTTP://ME:secret@HOST": "HTTP://***@HOST",
    "https://secret@host/x": "https://***@host/x",
    "http://me:se/cret@host:5/x": "http://***@host:5/x",
    "http://me:12/secret@host/x": "http://***@host/x",
    "http://me:se@cret@host/x": "http://***@host/x",
    "http://me:se?cret@host/x": "http://***@host/x",
    "http://me:se#cret@host/x": "http://***@host/x",
    "http://me%3Asecret@host": "http://***@host",
    "http://me:secret%40host/x": "http://***@host/x",
    "http%3A%2F%2Fme%3Asecret%40host%2Fx": "http%3A%2F%2F***%40host%2Fx",
    "http://me:secret@[::1]:5000/x": "http://***@[::1]:5000/x",
    "me:secret@host:5000": "***@host:5000",
    "http:/me:secret@host": "http:/***@host",
    "//me:secret@host/share": "//***@host/share",
    "http://host/?token=secret": "http://host/?***",
    "http://host:80/p?secret": "http://host:80/p?***",
    "http://host/#access_token=secret": "http://host/#***",
    "postgresql+psycopg2://u:secret@h/db?password=secret&x=1": "postgresql+psycopg2://***@h/db?***",
    "with url: /api/2.0/mlflow?token=secret (Caused by X)": "with url: /api/2.0/mlflow?*** (Caused by X)",
    "('http://me:secret@host', 'b')": "('http://***@host', 'b')",
    "Authorization: Bearer secretsecret": "Authorization: Bearer ***",
}
WITHOUT = (
    "sqlite:////home/me@corp/mlflow.db",
    "sqlite+pysqlite:////tmp/what%3Fnow/mlflow.db",
    "sqlite:////home/a b/mlflow.db",
    "C:\\Users\\me@corp\\mlflow.db",
    "http://host:5000/x",
    "http://[::1]:5000/x",
    "file:///data/x",
    "HTTPConnectionPool(host='127.0.0.1', port=9): Max retries",
    "MLflow at http://host: error 12:30, is that so? yes=no",
    "what?now",
    "see user@example.com",
)


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_users_passwords_and_queries_are_masked(text: str) -> None:
    assert masked(text) == WITH_SECRETS[text]
    assert "secret" not in masked(f"MLflow at {text}: refused")


@pytest.mark.parametrize("text", WITHOUT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "hf_token", "OPENAI_API_KEY"]
)
def test_values_of_secret_variables_are_masked_wherever_they_stand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "a/b c+123")
    assert masked("denied for a/b c+123: x=a%2Fb%20c%2B123.") == "denied for ***: x=***."


def test_short_values_and_those_of_other_variables_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "of")
    monkeypatch.setenv("DSR_RESULTS", "results")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "parallel")
    assert masked("a list of parallel results") == "a list of parallel results"


@pytest.mark.parametrize("long", ["x" * 100_000, "a:" * 50_000, "-" * 100_000, "http://" * 10_000])
def test_a_long_word_that_can_be_no_secret_stays_and_any_other_is_hidden(long: str) -> None:
    """Searched, each of them would take minutes to hours."""
    assert masked(f"no {long} here") == f"no {long} here"
    assert masked(f"no {long}@host here") == "no *** here"


@pytest.mark.parametrize(
    "name", ["plain", "sp ace", "what?now", "ha#sh", "per%20cent", "100%", "ünï", "br[ac]ket*", "q'uo\"te", "a&b=c@d:e"]
)
def test_a_file_of_any_name_has_a_uri_that_means_it(name: str, tmp_path: Path) -> None:
    make_url = pytest.importorskip("sqlalchemy.engine").make_url
    sqlalchemy = pytest.importorskip("sqlalchemy")
    (tmp_path / name).mkdir()
    path = tmp_path / name / "mlflow.db"
    assert file_of(of_file(path)) == path
    engine = sqlalchemy.create_engine(make_url(of_file(path)))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (a INTEGER)"))
    engine.dispose()
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


def test_where_a_database_decodes_nothing_a_question_mark_needs_the_long_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SQLAlchemy was before 2.1."""
    engine = pytest.importorskip("sqlalchemy.engine")

    class Url:
        def __init__(self, uri: str) -> None:
            self.database, _, self.query = uri.partition(":///")[2].partition("?")

    monkeypatch.setattr(engine, "make_url", Url)
    assert of_file(Path("/a%20b/x.db")) == "sqlite:////a%20b/x.db"
    assert of_file(Path("/what?now/x.db")) == "sqlite+pysqlite:///file:/what%3Fnow/x.db?uri=true"
    assert file_of("sqlite+pysqlite:///file:/what%3Fnow/x.db?uri=true") == Path("/what?now/x.db")


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true"])
def test_a_database_in_memory_is_no_file(uri: str) -> None:
    assert is_in_memory(uri)
    assert file_of(uri) is None


def test_a_server_is_neither_a_file_nor_in_memory() -> None:
    assert file_of("http://host:5000") is None
    assert not is_in_memory("http://host:5000")
    assert file_of("sqlite:///relative.db") == Path("relative.db")
