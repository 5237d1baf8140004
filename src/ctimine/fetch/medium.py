"""The kind ``medium``: the posts of an author or a publication.

Medium serves the newest ten posts as a feed with their whole text, and keeps programs from its
pages; so the text is the feed's, and no page is asked for. The address of a post is the one of the
article, without what says where the reader came from; a picture's address never is.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ctimine.errors import InputError
from ctimine.fetch.feed import fetch_items
from ctimine.fetch.visit import Visit


async def fetch_medium(visit: Visit) -> None:
    """The posts that are new or changed."""
    await fetch_items(visit, feed_address(visit.url), body="feed", canonical=article_address)


def feed_address(url: str) -> str:
    """The feed of an author or a publication, from any address of theirs.

    >>> feed_address("https://medium.com/@somebody"), feed_address("https://blog.medium.com/")
    ('https://medium.com/feed/@somebody', 'https://blog.medium.com/feed')
    >>> feed_address("@somebody"), feed_address("https://medium.com/feed/@somebody")
    ('https://medium.com/feed/@somebody', 'https://medium.com/feed/@somebody')
    """
    if re.fullmatch(r"@[\w.-]+", url):
        return f"https://medium.com/feed/{url}"
    parts = urlsplit(url)
    names = [name for name in parts.path.split("/") if name]
    if not parts.hostname:
        raise InputError("neither an author nor an address", subject=url)
    if names[:1] == ["feed"]:
        return url
    if parts.hostname in {"medium.com", "www.medium.com"}:
        if not names:
            raise InputError("names no author and no publication", subject=url)
        return f"https://medium.com/feed/{names[0]}"
    return f"{parts.scheme}://{parts.netloc}/feed"


def article_address(url: str) -> str:
    """The address of a post as a person would cite it; empty for pictures and for no address.

    >>> article_address("https://somebody.medium.com/a-post-0123456789ab?source=rss-1-2")
    'https://somebody.medium.com/a-post-0123456789ab'
    >>> article_address("https://miro.medium.com/v2/resize:fit:1024/1*x.png")
    ''
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if not host or re.match(r"(?:cdn-images-\d+|miro)\.medium\.com$", host):
        return ""
    if re.search(r"\.(?:png|jpe?g|gif|webp|svg)$", parts.path, re.IGNORECASE):
        return ""
    return parts._replace(query="", fragment="").geturl()
