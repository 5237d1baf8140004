"""Secrets stay where they belong: not in logs, errors, outcomes, snapshots or the archive."""

from __future__ import annotations

import logging
import traceback

import pytest
from fetch_internet import Reply, page, redirect

from ctimine.archive import Archive
from ctimine.errors import CtimineError
from ctimine.model import Source, redacted

SECRET = "s3cr3tV4lue0123456789"
HOST = "https://key.example"

AUTH = {
    "bearer": (("token_env", "X_SECRET"),),
    "token scheme": (("token_env", "X_SECRET"), ("token_scheme", "Token")),
    "api key": (("key_env", "X_SECRET"), ("key_header", "X-API-Key")),
    "basic": (("user_env", "X_USER"), ("password_env", "X_SECRET")),
}
ADDRESSES = {
    "from the environment in the query": HOST + "/x?feed_key=${X_SECRET}",
    "from the environment in the path": HOST + "/p/${X_SECRET}/x",
    "written as token": HOST + f"/x?token={SECRET}",
    "written as api_key": HOST + f"/x?a=1&api_key={SECRET}&b=2",
    "written as access_token": HOST + f"/x?access_token={SECRET}",
    "written as user and password": f"https://me:{SECRET}@key.example/x",
    "written as signature": HOST + f"/x?X-Amz-Signature={SECRET}",
    "written as sig": HOST + f"/x?sig={SECRET}",
}
ENDS = {
    "fine": lambda hit: page("<p>x</p>"),
    "refused": lambda hit: Reply(b"no", 403),
    "gone": lambda hit: Reply(b"", 404),
    "broken": lambda hit: Reply(b"", 500),
    "redirected elsewhere": lambda hit: redirect("https://other.example/y"),
    "redirected inside": lambda hit: redirect(f"http://127.0.0.1/?token={SECRET}"),
    "rate limited": lambda hit: Reply(b"", 429, {"Retry-After": "99999"}),
    "echoed": lambda hit: Reply(b"", 302, {"Location": f"/again?token={SECRET}&x={hit.target}"}),
}


def everything(caplog, tmp_path, fetcher, found, raised):
    """All that a person or another program may ever see of a run, but the body itself."""
    parts = [record.getMessage() + repr(record.args) for record in caplog.records]
    parts += [repr(outcome) for outcome in fetcher.outcomes] + [str(fetcher.account)]
    parts += [repr((s.item, s.url, s.final_url, s.headers, s.hints)) for s in found]
    parts += raised
    for file in tmp_path.glob("a*"):
        parts.append(file.read_bytes().decode("latin-1"))
    return "\n".join(parts)


def run(internet, fetching, tmp_path, caplog, source, end):  # noqa: PLR0917
    internet.host("key.example", end)
    internet.host("other.example", page())
    internet.at(f"{HOST}/robots.txt", Reply(b"", 404))
    caplog.set_level(logging.DEBUG)
    raised = []

    def on_error(outcome, error):
        raised.append("".join(traceback.format_exception(error)) + repr(error.args))

    with Archive(tmp_path / "a.archive") as archive:
        archive.declare(source)
        fetcher = fetching(archive, on_error=on_error, backoff=0.001)
        found = list(fetcher.fetch(source))
    return everything(caplog, tmp_path, fetcher, found, raised)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", AUTH)
def test_a_credential_in_a_header_is_never_seen(  # noqa: PLR0917
    internet, fetching, tmp_path, caplog, monkeypatch, way, end
):
    monkeypatch.setenv("X_SECRET", SECRET)
    monkeypatch.setenv("X_USER", "somebody")
    source = Source("s", kind="page", url=HOST + "/x", options=AUTH[way])
    seen = run(internet, fetching, tmp_path, caplog, source, ENDS[end])
    import base64

    assert SECRET not in seen
    assert base64.b64encode(f"somebody:{SECRET}".encode()).decode() not in seen
    assert all(hit.host == "key.example" or SECRET not in str(hit) for hit in internet.hits)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", ADDRESSES)
def test_a_credential_in_an_address_is_never_seen(  # noqa: PLR0917
    internet, fetching, tmp_path, caplog, monkeypatch, way, end
):
    monkeypatch.setenv("X_SECRET", SECRET)
    source = Source("s", kind="page", url=ADDRESSES[way])
    seen = run(internet, fetching, tmp_path, caplog, source, ENDS[end])
    assert SECRET not in seen
    assert any(hit.host == "key.example" for hit in internet.hits)


def test_there_are_at_least_30_places():
    assert len(ENDS) * (len(AUTH) + len(ADDRESSES)) >= 30


def test_a_variable_that_is_not_set_is_named(internet, fetching, monkeypatch):
    monkeypatch.delenv("X_SECRET", raising=False)
    fetcher = fetching()
    assert list(fetcher.fetch(Source("s", kind="page", url=HOST + "/x?k=${X_SECRET}"))) == []
    assert "X_SECRET is not set" in fetcher.outcomes[0].detail
    assert internet.hits == []


@pytest.mark.parametrize(
    "text",
    [
        "https://me:SECRET0123456789@a.example/", "https://a.example/?api_key=SECRET0123456789",
        "Authorization: Bearer SECRET0123456789", "https://a.example/?client_secret=SECRET0123456789#x",
        "password=SECRET0123456789", "https://a.example/?x=1&session=SECRET0123456789",
    ],
)  # fmt: skip
def test_secrets_are_known_by_their_form(text):
    assert "SECRET" not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/?key=apt28&p=1",
        "https://a.example/tokens/x",
        "a token of thanks",
        "?code=T1102",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_an_error_of_a_memory_does_not_show_the_note(tmp_path):
    (tmp_path / "x").write_bytes(b"no archive at all" * 100)
    with pytest.raises(CtimineError, match="cannot be opened"):
        Archive(tmp_path / "x")
