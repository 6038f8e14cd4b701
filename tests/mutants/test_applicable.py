"""Every mutant can be made of the code of today: what it would replace is there, once, and what comes of it compiles."""

import ast
from pathlib import Path

import pytest

from tests.mutants.__main__ import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mutant_can_be_made(mutant: Mutant) -> None:
    texts: dict[str, str] = {}
    for edit in mutant.edits:
        text = texts.get(edit.file) or (ROOT / edit.file).read_text("utf-8")
        assert text.count(edit.old) == 1, f"{edit.file} has changed: {edit.old}"
        texts[edit.file] = text.replace(edit.old, edit.new)
    for file, text in texts.items():
        if file.endswith(".py"):
            ast.parse(text, file)


def test_names_are_different_and_tests_are_there() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert [test for mutant in MUTANTS for test in mutant.tests if not (ROOT / test).exists()] == []
