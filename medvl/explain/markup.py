"""HTML as a tree, so that nothing of a report can become markup."""

from __future__ import annotations

import base64
from xml.etree.ElementTree import Element, tostring


def element(tag: str, *children: Element | str, **attributes: str | float) -> Element:
    """`element("p", "a ", element("b", "word"), class_="said", data_case="0")`.

    Args:
        tag: of HTML or SVG.
        children: texts and elements, in order.
        attributes: `class_` stands for `class`, and other underscores for dashes.
    """
    made = Element(tag, {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()})
    last: Element | None = None
    for child in children:
        if not isinstance(child, str):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return made


def spelled(tree: Element) -> str:
    """As HTML, escaped."""
    return tostring(tree, encoding="unicode", method="html")


def data_uri(content: bytes, kind: str) -> str:
    """A picture inside the page: `kind` is `png` or `jpeg`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
