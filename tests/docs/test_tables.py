"""The tables of settings and metrics in the documentation are those of the code."""

import pytest

from tests.docs.tables import DOCS, TABLES, marked


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_of_the_documentation_says_what_the_code_does(name: str) -> None:
    """When this fails: ``python -m tests.docs.tables``, and read the difference."""
    page, table = TABLES[name]

    written = marked(name).search((DOCS / page).read_text())

    assert written is not None
    assert written[2] == table()
