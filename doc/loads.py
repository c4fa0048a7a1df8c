"""What built pages load from the network when they are read; it should be nothing."""

import re
from html.parser import HTMLParser

LOADED = {"src", "srcset", "href", "xlink:href", "data", "poster"}
# Of links to these a browser loads nothing.
RELATIVES = {"alternate", "author", "canonical", "index", "next", "prev", "search"}
OUTSIDE = re.compile(r"(?:https?:)?//[^\s,]+")
IN_STYLE = re.compile(r"""(?:@import\s+|url\(\s*)["']?((?:https?:)?//[^"')\s;]+)""")


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.addresses, self.in_style = set(), False

    def handle_starttag(self, tag, attrs):
        attrs = {name: value or "" for name, value in attrs}
        self.in_style = tag == "style"
        self.addresses |= addresses_in_style(attrs.get("style", ""))
        if tag == "a" or (tag == "link" and attrs.get("rel") in RELATIVES):
            return
        for name in LOADED & set(attrs):
            if OUTSIDE.match(attrs[name].strip()) or name == "srcset":
                self.addresses |= set(OUTSIDE.findall(attrs[name]))

    def handle_data(self, data):
        if self.in_style:
            self.addresses |= addresses_in_style(data)


def addresses_in_page(text):
    """Addresses on the network that a browser loads for a page of HTML."""
    page = _Page()
    page.feed(text)
    return page.addresses


def addresses_in_style(text):
    """Addresses on the network that a style sheet loads."""
    return set(IN_STYLE.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)))


def fetched(folder):
    """Each address on the network, with a file in the folder that loads it."""
    found = {}
    for suffix, find in (("html", addresses_in_page), ("css", addresses_in_style)):
        for path in sorted(folder.rglob(f"*.{suffix}")):
            for address in find(path.read_text(encoding="utf-8")):
                found.setdefault(address, str(path.relative_to(folder)))
    return found
