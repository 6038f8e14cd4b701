"""The page on the query language, held against the language."""

import re
from pathlib import Path

import pytest

from worker.audiences.language.parser import LENGTH_MAX, NESTING_MAX, parse
from worker.audiences.language.types import PRIMARY_EXPRESSIONS_MAX, check
from worker.audiences.language.vocabulary import COMPARATORS, EXTRACTORS, FILTERS, OPERATORS, REDUCERS

PAGE = (Path(__file__).parents[2] / "docs" / "query-language.md").read_text()
EXAMPLES = [line for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_are_sound(text: str) -> None:
    assert check(parse(text), kind="audience") == []


@pytest.mark.parametrize("word", sorted(COMPARATORS | EXTRACTORS | FILTERS | REDUCERS | OPERATORS))
def test_every_word_is_on_the_page(word: str) -> None:
    assert re.search(rf"`[^`\n]*(?<!\w){re.escape(word)}(?!\w)[^`\n]*`", PAGE)


def test_the_limits_are_those_of_the_page() -> None:
    for limit in (PRIMARY_EXPRESSIONS_MAX, LENGTH_MAX, NESTING_MAX):
        assert f"| {limit:,} |" in PAGE
