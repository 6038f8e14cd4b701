"""Mutants of explanations, and of the lists of audiences and members."""

from tests.mutants.mutant import Mutant, mutant

EXPLAIN = "worker/audiences/explanation/explain.py"
SCENE = "worker/cli/explain_audience.py"
WHOLE = "tests/acceptance/test_explain.py"
MEMBERS = "tests/unit/test_cli_members.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "explained-from-the-start",
        "a part has the leaves of its definition's own beginning",
        EXPLAIN,
        "Compiler(self._keys, Beginning(definition.since, definition.history_ms))",
        "Compiler(self._keys, Beginning())",
        MEMBERS,
    ),
    mutant(
        "explained-beside-its-parent",
        "an inner event is judged with the events around it",
        EXPLAIN,
        "(*(self.around or ({},)), row))",
        "({}, row, row))",
        WHOLE,
    ),
    mutant(
        "explained-as-stored",
        "what is due by now has happened in an explanation",
        SCENE,
        "        fire(present, catalogue, at_ms)\n",
        "",
        MEMBERS,
    ),
    mutant(
        "explained-in-place",
        "an explanation changes a copy",
        SCENE,
        "return ProfileState() if state.applied == NO_RECORD else decode(encode(state))",
        "return ProfileState() if state.applied == NO_RECORD else state",
        MEMBERS,
    ),
    mutant(
        "looks-ahead-alone",
        "an audience changes when what it depends on does",
        SCENE,
        "            found.add(one.key)\n",
        "            pass\n",
        WHOLE,
    ),
    mutant(
        "members-once",
        "who has left is no member",
        "worker/cli/members.py",
        "if state.member(key):",
        "if key in state.memberships:",
        MEMBERS,
    ),
)
