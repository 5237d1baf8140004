"""Addresses that must not be reached: literal, by name, by rebinding, by redirect.

Nothing is sent to any of them: the step that connects is stubbed and counts what it is asked for.
"""

from __future__ import annotations

import asyncio
import ipaddress

import pytest
from fetch_internet import page, redirect

from ctimine.errors import AddressRefused, CtimineError
from ctimine.fetch.addresses import address_reason, checked_url
from ctimine.fetch.network import resolve
from ctimine.model import Source

INNER_V4 = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.254",
    "127.0.0.1", "127.0.0.53", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254",
    "169.254.170.2", "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.31.196.1",
    "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.168.255.254", "192.175.48.1", "198.18.0.1",
    "198.19.255.254", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255",
]  # fmt: skip
INNER_V6 = [
    "::", "::1", "::2", "fe80::1", "fe80::1%1", "febf::1", "fec0::1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "fd20:ce::254", "fd00:42::42", "ff02::1", "ff0e::1", "100::1", "2001::1", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:db8::1", "3fff::1", "2002:7f00:1::", "2002:a00:1::", "2002:0808:0808::",
    "2620:4f:8000::1", "4000::1", "5f00::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808",
    "64:ff9b:1::a00:1", "::127.0.0.1", "::10.0.0.1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip
MAPPED = [f"::ffff:{address}" for address in INNER_V4]
INNER = [*INNER_V4, *INNER_V6, *MAPPED]

SPELLINGS = [
    "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://127.0.1/",
    "http://0x7f.0.0.1/", "http://0/", "http://017700000001/", "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://169.254.43518/", "http://0xa9fea9fe/", "http://2852039166/",
    "http://127.0.0.1:80/", "http://user:pw@127.0.0.1/", "http://192.168.1/",
]  # fmt: skip
NO_ADDRESS = [
    "file:///etc/passwd", "ftp://a.example/x", "gopher://127.0.0.1:70/", "data:text/html,x", "javascript:x",
    "http://", "http:///x", "//a.example/x", "", "unix:/var/run/docker.sock", "http://a.example:99999/",
    "http://a.example:0/", "http://a.example/\r\nHost: b", "http://a b.example/", "http://a.example\\@127.0.0.1/",
    "http://[::1", "http+unix://%2Fvar%2Frun%2Fdocker.sock/x", "dict://127.0.0.1:11211/", "ldap://127.0.0.1/",
]  # fmt: skip


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_has_a_reason(address):
    assert address_reason(address)


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "1.1.1.1",
        "172.32.0.1",
        "100.63.255.255",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
    ],
)
def test_a_public_address_has_none(address):
    assert address_reason(address) == ""


def refused(fetcher, *sources):
    """Fetch them; the fake internet must have dialled nothing but its own public hosts."""
    assert list(fetcher.fetch(*sources)) == []
    assert set(fetcher.account.failed) <= {"address refused", "unreachable"}
    assert sum(fetcher.account.failed.values()) == len(sources)


def canary(internet):
    """What was dialled that is not one of the fake internet's own public addresses."""
    return [address for address in internet.dialled if not address.startswith("45.32.")]


def test_a_literal_inner_address_is_never_dialled(internet, fetching):
    urls = [f"http://[{address}]/" if ":" in address else f"http://{address}/" for address in INNER]
    refused(fetching(), *(Source(f"s{n}", kind="page", url=url) for n, url in enumerate(urls)))
    assert internet.dialled == []


def test_a_name_that_leads_inside_is_never_dialled(internet, fetching):
    for number, address in enumerate(INNER):
        internet.addresses[f"n{number}.example"] = [address]
    sources = [
        Source(f"s{n}", kind="page", url=f"https://n{n}.example/") for n in range(len(INNER))
    ]
    refused(fetching(), *sources)
    assert internet.dialled == []


def test_a_redirect_that_leads_inside_is_never_followed(internet, fetching):
    internet.host("open.example", lambda hit: redirect(targets[int(hit.target.strip("/"))]))
    internet.at("http://open.example/robots.txt", page())
    literals = [f"http://[{a}]/" if ":" in a else f"http://{a}/" for a in INNER if "%" not in a]
    targets = [
        *literals,
        *SPELLINGS,
        *(url for url in NO_ADDRESS if url.isascii() and url and "\n" not in url),
    ]
    targets = [url for url in targets if not url.startswith("//")]
    fetcher = fetching()
    sources = [
        Source(f"s{n}", kind="page", url=f"http://open.example/{n}") for n in range(len(targets))
    ]
    fetcher_network_numeric(internet)
    assert list(fetcher.fetch(*sources)) == []
    assert canary(internet) == []
    assert sum(fetcher.account.failed.values()) == len(targets)


def fetcher_network_numeric(internet):
    """Odd spellings are resolved as the system's resolver does: without asking anybody."""
    for url in SPELLINGS:
        host = url.split("//")[1].split("/")[0].rpartition("@")[2].split(":80")[0]
        if host.startswith("["):
            continue
        found = asyncio.run(resolve(host, 80))
        internet.addresses[host] = found
        assert all(address_reason(address) for address in found), (host, found)


@pytest.mark.parametrize("url", SPELLINGS)
def test_an_odd_spelling_is_judged_by_what_it_resolves_to(internet, fetching, url):
    fetcher_network_numeric(internet)
    refused(fetching(), Source("s", kind="page", url=url))
    assert internet.dialled == []


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_what_is_no_web_address_is_refused(url):
    with pytest.raises(AddressRefused):
        checked_url(url)


def test_a_name_that_changes_its_mind_is_judged_each_time(internet, fetching):
    """Rebinding: public for robots.txt, inside for the page, on a new connection."""
    answers = iter([["45.32.0.1"], ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"]])
    internet.host("rebind.example", page())
    internet.addresses["rebind.example"] = lambda: next(answers)

    async def closing(hit, reader, writer):
        writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    internet.at("http://rebind.example/robots.txt", closing)
    refused(fetching(), Source("s", kind="page", url="http://rebind.example/"))
    assert internet.dialled == ["45.32.0.1"]


def test_of_several_addresses_only_the_public_one_is_dialled(internet, fetching):
    internet.host("both.example", page())
    internet.addresses["both.example"] = ["127.0.0.1", "169.254.169.254", "45.32.0.9"]
    found = list(fetching().fetch(Source("s", kind="page", url="http://both.example/")))
    assert len(found) == 1
    assert set(internet.dialled) == {"45.32.0.9"}


INSIDE = Source(
    "in", kind="page", url="http://misp.inside/x", options=(("allow_private", ("misp.inside",)),)
)


def test_a_host_that_the_user_names_is_reached(internet, fetching):
    internet.host("misp.inside", page())
    internet.addresses["misp.inside"] = ["10.0.0.5"]
    assert len(list(fetching().fetch(INSIDE))) == 1
    assert set(internet.dialled) == {"10.0.0.5"}


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "100.100.100.200", "224.0.0.1", "fd00:ec2::254"]
)
def test_a_named_host_does_not_open_metadata_or_link_local(internet, fetching, address):
    internet.host("misp.inside", page())
    internet.addresses["misp.inside"] = [address]
    refused(fetching(), INSIDE)
    assert internet.dialled == []


def test_no_redirect_from_outside_leads_to_a_named_host(internet, fetching):
    internet.host("misp.inside", page())
    internet.addresses["misp.inside"] = ["10.0.0.5"]
    internet.at("http://open.example/x", redirect("http://misp.inside/x"))
    source = Source("s", kind="page", url="http://open.example/x", options=INSIDE.options)
    refused(fetching(), source)
    assert canary(internet) == []


def test_no_document_from_outside_leads_to_a_named_host(internet, fetching):
    internet.host("misp.inside", page())
    internet.addresses["misp.inside"] = ["10.0.0.5"]
    item = "<item><guid>1</guid><link>http://misp.inside/x</link></item>"
    internet.at("http://open.example/feed", f"<rss><channel>{item}</channel></rss>".encode())
    source = Source("s", kind="feed", url="http://open.example/feed", options=INSIDE.options)
    refused(fetching(), source)
    assert canary(internet) == []


def test_a_connection_to_a_named_host_is_not_lent_to_others(internet, fetching):
    """A kept connection is as good as a dial: the two kinds of host share none."""
    internet.host("misp.inside", page())
    internet.addresses["misp.inside"] = ["10.0.0.5"]
    fetcher = fetching()
    assert len(list(fetcher.fetch(INSIDE))) == 1
    other = Source("other", kind="page", url="http://misp.inside/y")
    assert list(fetcher.fetch(other)) == []
    assert dict(fetcher.account.failed) == {"address refused": 1}
    assert not internet.asked("/y")


def test_there_are_at_least_150_cases():
    assert 3 * len(INNER) + 2 * len(SPELLINGS) + 2 * len(NO_ADDRESS) >= 150
    assert all(ipaddress.ip_address(address.partition("%")[0]) for address in INNER)


def test_a_refusal_is_an_error_of_ours_with_the_host_in_it():
    with pytest.raises(CtimineError, match=r"file:///etc/passwd: not a web address"):
        checked_url("file:///etc/passwd")


def test_a_proxy_is_a_trusted_hop_but_literal_inner_addresses_are_not_asked_of_it(
    internet, fetching
):
    """The proxy stands inside; what is asked through it is judged as far as it is written."""
    internet.host("blog.example", page("<p>through</p>"))
    internet.addresses["proxy.inside"] = ["10.0.0.9"]
    fetcher = fetching(proxy="http://proxy.inside:80")
    found = list(
        fetcher.fetch(
            Source("a", kind="page", url="http://169.254.169.254/latest"),
            Source("b", kind="page", url="http://127.0.0.1/"),
        )
    )
    assert found == []
    assert internet.dialled == []
    assert dict(fetcher.account.failed) == {"address refused": 2}
    list(fetcher.fetch(Source("c", kind="page", url="http://blog.example/x")))
    assert set(internet.dialled) == {"10.0.0.9"}
