"""What can be told of a URL by looking at it. Nothing is resolved here."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_USERINFO = re.compile(r"://[^\s/]*@")


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine: ``localhost`` or a loopback address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def spoken(url: str) -> str:
    """``url`` as it may be said aloud: scheme, host, port and path; no user, no password, no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{authority(url)}{parts.path}"


def authority(url: str) -> str:
    """The host of ``url``, and its port where it has one; no user and no password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def silenced(text: str) -> str:
    """``text``, maybe a library's, without the users and passwords of URLs in it."""
    return _USERINFO.sub("://", text)
