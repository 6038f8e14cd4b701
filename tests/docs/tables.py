"""The tables of the documentation, made from the code: ``python -m tests.docs.tables`` writes them anew."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from worker.metrics import CATALOGUE
from worker.settings import FORBIDDEN_KAFKA_PROPERTIES, Settings, variable

DOCS = Path(__file__).parents[2] / "docs"
KINDS = {bool: "`true` or `false`", int: "integer", float: "number", Path: "path"}


def settings_table() -> str:
    """Every setting: variable, default, values, why."""
    rows = []
    for name, field in Settings.model_fields.items():
        shown = "AW_KAFKA__…" if name == "kafka" else variable(name)
        rows.append((f"`{shown}`", _default(field), _values(field), str(field.description)))
    return _table(("variable", "default", "values", "what and why"), rows)


def forbidden_table() -> str:
    """librdkafka properties that may not be set, with what holds instead."""
    rows = [(f"`{name}`", instead) for name, instead in sorted(FORBIDDEN_KAFKA_PROPERTIES.items())]
    return _table(("property", "instead"), rows)


def metrics_table() -> str:
    """Every metric: name, kind, labels, meaning."""
    rows = [(f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.meaning) for m in CATALOGUE]
    return _table(("name", "kind", "labels", "meaning"), rows)


TABLES = {
    "settings": ("settings.md", settings_table),
    "forbidden": ("settings.md", forbidden_table),
    "metrics": ("metrics.md", metrics_table),
}
"""Name of the table's marks in the page, the page, and what makes the table."""


def marked(name: str) -> re.Pattern[str]:
    """Matches ``<!-- NAME -->``, what is between, and ``<!-- /NAME -->``."""
    return re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, tuple):
        value = ",".join(value)
    return "" if value in (None, "", {}) else f"`{value}`"


def _values(field: FieldInfo) -> str:
    kind = _one_kind(field.annotation)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(kind))
    if get_origin(kind) is tuple:
        return "of " + _values(FieldInfo(annotation=get_args(kind)[0]))
    low = next((one.ge for one in field.metadata if isinstance(one, Ge)), None)
    high = next((one.le for one in field.metadata if isinstance(one, Le)), None)
    bounds = "" if low is None else f", {low} or more" if high is None else f", {low} to {high}"
    return KINDS.get(kind, "text") + bounds


def _one_kind(annotation: Any) -> Any:
    """The kind itself, of ``Kind | None`` and ``Annotated[Kind, …]``."""
    if get_origin(annotation) in (UnionType, Union):
        annotation = next(one for one in get_args(annotation) if one is not NoneType)
    return getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write every table into its page."""
    for name, (page, table) in TABLES.items():
        path = DOCS / page
        text = marked(name).sub(lambda m, t=table: m[1] + t() + m[3], path.read_text())  # type: ignore[misc]
        path.write_text(text)


if __name__ == "__main__":
    main()
