"""The kinds of failure, and what the loop does about each.

Bad data is never an exception: a consumer returns a refusal with a reason (see ``schemas.reasons``).
"""


class AudienceWorkerError(Exception):
    """Root of everything this project raises on purpose."""


class InvariantError(AudienceWorkerError):
    """Our own bug: a promise that the code relies on does not hold. The worker stops rather than go on wrong."""


class DependencyError(AudienceWorkerError):
    """The world: Kafka or Redis refused or did not answer. The batch is abandoned and done again."""


class StoreUnavailableError(DependencyError):
    """Redis did not answer, or refused; whether a write happened is unknown."""


class StateConflictError(DependencyError):
    """Somebody else has written a state that this worker believed to own."""


class TransactionRefusedError(DependencyError):
    """Kafka refused, aborted or left in doubt a transaction; the producer must not be used again."""


class SupersededError(AudienceWorkerError):
    """Another process has taken this one's name. It must end: each new attempt would stop the other one's work."""


class StoreLostError(AudienceWorkerError):
    """Redis has lost what was in it. Going on would begin every profile anew and tell readers so."""


class InputError(AudienceWorkerError):
    """A user's mistake: settings, definitions, arguments or input lines. ``faults`` has one line for each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class UsageError(AudienceWorkerError):
    """A command line that cannot be meant: options that do not go together, a name that is none."""
