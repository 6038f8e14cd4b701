"""Random texts written down in every style of YAML: each character is found at its place in the file."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.definition_file import load

pytestmark = pytest.mark.property

WORDS = st.sampled_from(
    ["trait('a')", "=", ">= 10", "'it''s'", '"q"', "AND", "NOT", r"'a\.b'", "event('é')", "#x", "(", ")"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=12).flatmap(
    lambda words: st.lists(st.sampled_from([" ", "  ", "\n", "\n  "]), min_size=len(words), max_size=len(words)).map(
        lambda gaps: "".join(word + gap for word, gap in zip(words, gaps, strict=True)).rstrip()
    )
)


@given(
    query=TEXTS,
    style=st.sampled_from(['"', "'", "|", ">", None]),
    width=st.sampled_from([20, 80, 1_000]),
    ascii_only=st.booleans(),
)
def test_every_character_is_found_at_its_place(query: str, style: str | None, width: int, ascii_only: bool) -> None:
    written = yaml.dump({"key": "a", "query": query}, default_style=style, width=width, allow_unicode=not ascii_only)
    loaded = load(written, source="f")
    text = loaded.audiences[0].query
    assert text is not None

    lines, place = written.split("\n"), loaded.queries["audience:a"]
    for number, line in enumerate(text.split("\n"), start=1):
        for column, character in enumerate(line, start=1):
            at = place.position(text, number, column)
            found = lines[at.line - 1][at.column - 1 : at.column]
            if not character.isspace():
                assert found in {character, "\\"}  # an escape stands for it
