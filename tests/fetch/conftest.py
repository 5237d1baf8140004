from __future__ import annotations

import functools

import pytest
from fetch_internet import Internet

from ctimine.fetch import fetcher as room
from ctimine.fetch.fetcher import Fetcher

# The same certificate authorities for every fetcher of the session: loading them takes a moment.
_trusted = functools.cache(room.trusted)


@pytest.fixture(scope="session")
def one_internet(tmp_path_factory):
    """One server for the whole session: a certificate authority takes a moment to make."""
    internet = Internet()
    internet.file = internet.pem(tmp_path_factory.mktemp("authority"))
    yield internet
    internet.close()


@pytest.fixture
def internet(one_internet):
    """An empty fake internet."""
    for kept in (
        one_internet.hits,
        one_internet.dialled,
        one_internet.addresses,
        one_internet.answers,
        one_internet.whole_hosts,
    ):
        kept.clear()
    return one_internet


@pytest.fixture
def fetching(internet, monkeypatch):
    """A function that makes fetchers on the fake internet, without pauses; closed at the end."""
    made = []
    monkeypatch.setattr(room, "trusted", _trusted)

    def make(memory=None, **options):
        options = {"interval": 0.0, "backoff": 0.01, "deadline": 10.0, "each": 8, **options}
        fetcher = Fetcher(memory, authorities=[internet.file], network=internet.network, **options)
        made.append(fetcher)
        return fetcher

    yield make
    for fetcher in made:
        fetcher.close()
