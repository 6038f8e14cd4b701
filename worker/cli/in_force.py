"""The definitions that running workers go by, read from the store."""

from collections.abc import Iterable
from difflib import get_close_matches

from consumers import catalog
from schemas.codec import AvroDecoder
from worker.engine.control import Control
from worker.errors import InputError
from worker.identity.rules import Caps
from worker.ports import Store


def read_in_force(store: Store, caps: Caps) -> Control:
    """The catalogue and the book of the store, as they are now.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    documents = catalog.documents(AvroDecoder(), caps)
    control = Control(store, documents, topic=catalog.DEFINITIONS_TOPIC, interval_ms=0)
    control.refresh()
    return control


def no_audience(key: str, keys: Iterable[str]) -> InputError:
    """The fault of a key that is no audience's, with the nearest one that is."""
    nearest = get_close_matches(key, sorted(keys), n=1)
    return InputError(f"there is no audience {key!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else ""))
