"""What all pages have in common: our HTML, our way of telling a lost connection, a title."""

from __future__ import annotations

from typing import Any

from bokeh.document import Document
from jinja2 import Template

from dashboards.access.roles import role_of, why_viewer


def plain_document(document: Document, page: Template, variables: dict[str, Any]) -> None:
    """Set `document` up for `page`. The page itself says when the server is lost, and reloads.

    The page's template also knows `role` and `why_viewer`; what they forbid is checked on the server all the same.
    """
    document.template = page
    roles = {"role": role_of(document), "why_viewer": why_viewer(document)}
    document.template_variables.update(roles | variables)
    document.title = "stream-rrvae"
    document.config.reconnect_session = False
    document.config.notify_connection_status = False
    document.config.notifications = None
