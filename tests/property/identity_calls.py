"""Random calls of few people with few identifiers, so that they collide all the time."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.property.identity_oracle_memberships import EVENT
from tests.property.identity_oracle_values import Identifier

NOBODY = "anonymous"  # always blocked: the user id of an event that shall carry only other identifiers

# As people write them: with spaces, in capitals, as numbers.
USERS = st.sampled_from([*["u1", "u2", "u3"] * 5, " u1 ", "5", 5, "-10", "null"])
VISITORS = st.sampled_from([*["a1", "a2", "a3", "a4"] * 5, "a1 ", "-1", "000-0"])
ADDRESSES = st.sampled_from([*["a@x.io", "b@x.io", "c@x.io"] * 3, " A@X.io", "NULL"])
PHONES = st.sampled_from([*["p1", "p2", "p3"] * 3, 5, "5", "P1", "null"])
APPS = st.sampled_from([*["x1", "x2", "x3"] * 3, "X1", 5, 5.0, "-1"])

LOCATIONS = st.lists(
    st.sampled_from(["user", "visitor", "address", "visitor", "entries", "app", "user", "address of the context"]),
    min_size=1,
    max_size=4,
)
ADDRESSED = st.fixed_dictionaries({"email": ADDRESSES})


@st.composite
def external_ids(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Phone numbers mostly, in the one documented form and in forms that are not promoted."""
    entry: dict[str, Any] = {"type": "phone", "collection": "users", "encoding": "none"}
    entries = [{**entry, "id": phone} for phone in draw(st.lists(PHONES, min_size=1, max_size=2))]
    match draw(st.sampled_from([None, None, None, None, "email", "wrong type", "no encoding"])):
        case "email":
            entries.append({**entry, "type": "email", "id": draw(ADDRESSES)})
        case "wrong type":
            entries.append({**entry, "type": "Phone", "id": "p9"})
        case "no encoding":
            entries.append({"type": "phone", "collection": "users", "id": "p9"})
    return entries


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """One call with few identifiers, at any of their locations."""
    kind = draw(st.sampled_from(["track"] * 5 + ["identify"] * 3 + ["page", "alias"]))
    call: dict[str, Any] = {"type": kind}
    if kind == "track":
        call["event"] = draw(st.sampled_from([EVENT, EVENT, "Y"]))
    if kind == "alias":
        call["previousId"] = draw(USERS)
    located = draw(LOCATIONS)
    if "user" in located or "visitor" not in located:
        call["userId"] = draw(USERS) if "user" in located else NOBODY
    if "visitor" in located:
        call["anonymousId"] = draw(VISITORS)
    values: dict[str, Any] = draw(ADDRESSED) if "address" in located else {}
    context_traits: dict[str, Any] = draw(ADDRESSED) if "address of the context" in located else {}
    if "app" in located:
        place = values if draw(st.booleans()) else context_traits
        place[draw(st.sampled_from(["app_id", "appId"]))] = draw(APPS)
    context = {"traits": context_traits, "externalIds": draw(external_ids()) if "entries" in located else []}
    return with_parts(call, values, {name: part for name, part in context.items() if part})


def with_parts(call: dict[str, Any], values: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """The call with its values where calls of its type have them."""
    place = "traits" if call["type"] == "identify" else "properties"
    return {**call, **({place: values} if values else {}), **({"context": context} if context else {})}


def probe_of(identifier: Identifier) -> dict[str, Any]:
    """An event with this identifier and no other."""
    type_name, value = identifier
    match type_name:
        case "user_id":
            return {"type": "track", "event": EVENT, "userId": value}
        case "anonymous_id":
            return {"type": "track", "event": EVENT, "anonymousId": value}
    return nobody_with([identifier])


def nobody_with(identifiers: Sequence[Identifier]) -> dict[str, Any]:
    """An event that has these identifiers among its ``externalIds``, and no usable ids of its own."""
    entries = [{"id": value, "type": name, "collection": "users", "encoding": "none"} for name, value in identifiers]
    return {"type": "track", "event": EVENT, "userId": NOBODY, "context": {"externalIds": entries}}


def address_of(user: str, address: str) -> dict[str, Any]:
    return {"type": "track", "event": EVENT, "userId": user, "properties": {"email": address}}


# One or two of few, with nothing against it: profiles merge, and what they merged into merges again.
LINKS = st.lists(
    st.sampled_from([Identifier("phone", f"p{number}") for number in range(1, 13)]), min_size=1, max_size=2, unique=True
).map(nobody_with)
# Known people who change their addresses: only periods and limits matter.
CHANGED_ADDRESSES = st.builds(
    address_of, st.sampled_from(["u1", "u1", "u2"]), st.sampled_from([f"{letter}@x.io" for letter in "abcdef"])
)


@st.composite
def strangers(draw: st.DrawFn) -> dict[str, Any]:
    """A call of one of three people who share nothing and always say who they are: there is nothing to decide."""
    person = draw(st.sampled_from("123"))
    call = {"type": "track", "event": draw(st.sampled_from([EVENT, "Y"])), "userId": f"u{person}"}
    values = {}
    if draw(st.booleans()):
        call["anonymousId"] = f"a{person}{draw(st.sampled_from('xy'))}"
    if draw(st.booleans()):
        values["email"] = draw(st.sampled_from([f"{person}@x.io", f"{person}@Y.io "]))
    if draw(st.booleans()):
        values["appId"] = f"x{person}"
    return with_parts(call, values, {})
