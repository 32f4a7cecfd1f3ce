"""Renders the texts under templates/ (answer files, scripts for guests) with jinja2."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from pvekit.adapters.data import data_dir
from pvekit.model.errors import PvekitError


def render(name: str, variables: Mapping[str, Any]) -> str:
    """Render ``templates/<name>``. Values in ``.xml`` and ``.html`` templates are escaped.

    Raises PvekitError for a template that is absent, wrong, or asks for a variable that was not given. The message
    never holds a value, so that a secret stays out of it.
    """
    try:
        return _environment().get_template(name).render(variables)
    except jinja2.TemplateNotFound as error:
        raise PvekitError("there is no such template", where=str(data_dir("templates") / name)) from error
    except jinja2.TemplateSyntaxError as error:
        raise PvekitError(f"the template is wrong: {error.message}", where=f"{name}:{error.lineno}") from error
    except jinja2.UndefinedError as error:
        raise PvekitError(f"the template needs more: {error.message}", where=name) from error


@cache
def _environment() -> jinja2.Environment:
    """Return the one environment: absent variables are errors, blocks leave no empty lines."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_dir("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(("xml", "html", "xml.j2", "html.j2"), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Windows' answer files take some texts as base64 of UTF-16.
    made.filters["b64_utf16"] = lambda text: base64.b64encode(str(text).encode("utf-16-le")).decode()
    return made
