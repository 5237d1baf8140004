"""Which addresses may be reached: the public internet, and nothing behind it.

``ipaddress.is_global`` is not enough: it passes addresses that carry another one inside (NAT64,
6to4, mapped), multicast, and the public addresses at which clouds serve credentials.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from ctimine.errors import AddressRefused
from ctimine.model import redacted

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # container credentials
        "169.254.170.23",
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure's host, a public address
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google over IPv6
        "fd00:42::42",  # Scaleway
    )
)
_REFUSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # IANA IPv4 special-purpose registry (RFC 6890 and later), multicast and class E
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_PUBLIC_IPV6: Final = ipaddress.ip_network("2000::/3")
"""The only unicast space that IANA has handed out; all else is special or unassigned."""
_REFUSED_IPV6: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking, AMT
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address to a relay of anybody's
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
"""What ``allow_private`` opens: link-local and metadata addresses stay shut."""


def address_reason(address: Address | str, *, private: bool = False) -> str:
    """Why an address must not be connected to; empty if it may be.

    ``private`` says that the user has named this host as internal. A mapped address is judged by
    the one inside. Those that a gateway would translate (NAT64, 6to4, Teredo) are refused: what
    the gateway reaches is not ours to guess.

    >>> address_reason("93.184.215.14"), address_reason("169.254.169.254")
    ('', 'cloud metadata')
    >>> address_reason("::ffff:127.0.0.1"), address_reason("10.1.2.3", private=True)
    ('not public', '')
    """
    try:
        at = ipaddress.ip_address(address) if isinstance(address, str) else address
    except ValueError:
        return "not an address"
    if isinstance(at, ipaddress.IPv6Address):
        if at.scope_id:
            return "not public"
        if at.ipv4_mapped is not None:
            at = at.ipv4_mapped
    if at in _METADATA:
        return "cloud metadata"
    if private and any(at in network for network in _PRIVATE if network.version == at.version):
        return ""
    if isinstance(at, ipaddress.IPv4Address):
        return "not public" if any(at in network for network in _REFUSED) else ""
    if at not in _PUBLIC_IPV6 or any(at in network for network in _REFUSED_IPV6):
        return "not public"
    return ""


_CONTROL: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\\s]")


def checked_url(url: str) -> str:
    """The address without fragment and credentials, if it is one that may be asked for.

    Only ``http`` and ``https``; a literal address in it must be public (names are judged when they
    are connected to). Raises :class:`~ctimine.errors.AddressRefused`.

    >>> checked_url("https://user:pw@blog.example/a?b#c")
    'https://blog.example/a?b'
    """
    text = url.strip()
    if len(text) > 4000:
        raise AddressRefused("longer than 4,000 characters", subject=redacted(text[:80]) + "…")
    if _CONTROL.search(text):
        raise AddressRefused("control characters or blanks in it", subject=redacted(text))
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefused("not a web address", subject=redacted(text)) from None
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise AddressRefused("not a web address", subject=redacted(text))
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port is not None else shown
    return parts._replace(netloc=place, fragment="").geturl()


def host_of(url: str) -> str:
    """The host of an address in lower case, without a final dot; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def origin_of(url: str) -> str:
    """Scheme, host and port: whom a credential belongs to.

    >>> origin_of("https://A.example/x"), origin_of("http://a.example:8080/")
    ('https://a.example:443', 'http://a.example:8080')
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "").rstrip(".")
    return f"{parts.scheme}://{'[' + host + ']' if ':' in host else host}:{port}"
