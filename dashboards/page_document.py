"""What all pages have in common: our HTML, our way of telling a lost connection, a title."""

from __future__ import annotations

from typing import Any

from bokeh.document import Document
from jinja2 import Template


def plain_document(document: Document, page: Template, variables: dict[str, Any]) -> None:
    """Set `document` up for `page`. The page itself says when the server is lost, and reloads."""
    document.template = page
    document.template_variables.update(variables)
    document.title = "stream-rrvae"
    document.config.reconnect_session = False
    document.config.notify_connection_status = False
    document.config.notifications = None
