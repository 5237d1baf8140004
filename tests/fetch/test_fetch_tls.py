"""Encryption that cannot be trusted is refused, with words that say why; nothing turns that off."""

from __future__ import annotations

import datetime
import inspect
import re
import ssl

import pytest
import trustme
from fetch_internet import page

from ctimine.errors import TLSRefused
from ctimine.fetch.fetcher import Fetcher
from ctimine.fetch.network import GuardedTransport, trusted
from ctimine.model import Source

HOST = "safe.example"
SOURCE = Source("s", kind="page", url=f"https://{HOST}/")


def context(certificate):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


def expired(internet):
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    return context(
        internet.authority.issue_cert(HOST, not_before=past, not_after=past + datetime.timedelta(1))
    )


def not_yet(internet):
    later = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)
    return context(
        internet.authority.issue_cert(
            HOST, not_before=later, not_after=later + datetime.timedelta(1)
        )
    )


def wrong_host(internet):
    return context(internet.authority.issue_cert("other.example"))


def only_a_parent(internet):
    return context(internet.authority.issue_cert("example"))


def unknown_issuer(internet):
    return context(trustme.CA().issue_cert(HOST))


def self_signed(internet):
    return context(_Own())


class _Own:
    """A certificate that is its own authority."""

    def configure_cert(self, made):
        authority = trustme.CA()
        with authority.private_key_pem.tempfile() as key, authority.cert_pem.tempfile() as cert:
            made.load_cert_chain(cert, key)


def old_protocol(internet):
    made = context(internet.authority.issue_cert(HOST))
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    made.maximum_version = ssl.TLSVersion.TLSv1_1
    return made


BROKEN = {
    "expired": (expired, "expired"),
    "not yet valid": (not_yet, "not yet valid"),
    "wrong host": (wrong_host, "mismatch"),
    "parent domain": (only_a_parent, "mismatch"),
    "unknown issuer": (unknown_issuer, "unable to get local issuer|self-signed"),
    "self-signed": (self_signed, "self-signed|unable to get local issuer"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_encryption_is_refused_and_named(internet, fetching, name):
    make, words = BROKEN[name]
    internet.contexts[HOST] = make(internet)
    internet.host(HOST, page())
    fetcher = fetching()
    try:
        assert list(fetcher.fetch(SOURCE)) == []
    finally:
        del internet.contexts[HOST]
    assert dict(fetcher.account.failed) == {"TLS refused": 1}
    (outcome,) = fetcher.outcomes
    assert re.search(words, outcome.detail), outcome.detail
    assert internet.asked(HOST) == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_protocol_is_refused(internet, fetching):
    with internet.instead(internet._safe, old_protocol(internet)):
        internet.host(HOST, page())
        fetcher = fetching()
        assert list(fetcher.fetch(SOURCE)) == []
    assert dict(fetcher.account.failed) == {"TLS refused": 1}
    assert "no safe connection" in fetcher.outcomes[0].detail
    assert internet.asked(HOST) == []


def test_a_server_that_speaks_no_tls_is_refused(internet, fetching):
    async def plain(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    internet.address_of(HOST)
    with internet.instead(plain):
        fetcher = fetching()
        assert list(fetcher.fetch(SOURCE)) == []
    assert dict(fetcher.account.failed) == {"TLS refused": 1}


def test_a_trusted_certificate_passes(internet, fetching):
    internet.host(HOST, page())
    assert len(list(fetching().fetch(SOURCE))) == 1


def test_nothing_switches_verification_off():
    names = set(inspect.signature(Fetcher).parameters)
    assert not names & {"verify", "insecure", "check_hostname", "ssl", "context"}
    loose = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    loose.check_hostname = False
    loose.verify_mode = ssl.CERT_NONE
    with pytest.raises(TLSRefused):
        GuardedTransport(context=loose)


def test_a_source_cannot_switch_verification_off(internet, fetching):
    internet.contexts[HOST] = unknown_issuer(internet)
    internet.host(HOST, page())
    options = (("verify", False), ("insecure", True))
    try:
        assert (
            list(fetching().fetch(Source("s", kind="page", url=SOURCE.url, options=options))) == []
        )
    finally:
        del internet.contexts[HOST]


def test_old_protocols_are_off():
    assert trusted().minimum_version >= ssl.TLSVersion.TLSv1_2
