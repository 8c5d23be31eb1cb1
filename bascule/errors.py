"""Everything that can go wrong, in one place. A docstring is what people read when nothing more precise is said."""

from __future__ import annotations

from bascule.model import ErrorClass


class BasculeError(Exception):
    """Bascule cannot go on."""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.remedy = remedy


class RemoteError(BasculeError):
    """The remote system did not do what was asked."""

    error_class: ErrorClass = ErrorClass.UNKNOWN
    may_have_acted: bool = True
    """Whether a write that ended so may nevertheless have taken effect."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        retry_after: float | None = None,
        may_have_acted: bool | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.retry_after = retry_after
        if may_have_acted is not None:
            self.may_have_acted = may_have_acted


class RemoteUnreachable(RemoteError):
    """The remote system could not be reached. The same call may work later."""

    error_class = ErrorClass.TRANSIENT
    may_have_acted = False


class RemoteSilent(RemoteError):
    """The remote system was asked and did not answer: what it did is unknown until it is read back."""

    error_class = ErrorClass.TRANSIENT


class RemoteFailing(RemoteError):
    """The remote system failed while it worked: what it did is unknown until it is read back."""

    error_class = ErrorClass.TRANSIENT


class RemoteGarbled(RemoteError):
    """What arrived is not what the remote system sends: a web page, part of a body. Asked again later, it may answer whole."""

    error_class = ErrorClass.TRANSIENT
    may_have_acted = False


class RemoteInterrupted(RemoteError):
    """A long operation began and stopped midway: how much was done is for a person to find out."""

    error_class = ErrorClass.EXTERNAL


STILL_RUNNING = "still-running"
"""The code of an operation that was left running: part of the signature of what it leaves undone."""


class StillRunning(RemoteError):
    """A long operation was left running, because the run was told to stop. The next run resumes watching it."""

    error_class = ErrorClass.EXTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message, code=STILL_RUNNING, remedy="run again soon: users are let in when it ends")


class RemoteThrottles(RemoteError):
    """The remote system asks for patience. Nothing was done."""

    error_class = ErrorClass.THROTTLED
    may_have_acted = False


class RemoteDenies(RemoteError):
    """The remote system does not accept our credentials. Nothing was done."""

    error_class = ErrorClass.AUTH
    may_have_acted = False


class RemoteRefuses(RemoteError):
    """The remote system refused, with a reason. Nothing was done."""

    may_have_acted = False

    def __init__(self, message: str = "", *, code: str, error_class: ErrorClass, remedy: str = "") -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.error_class = error_class


class RemoteUnintelligible(RemoteError):
    """The remote system said something that the contract does not know. That is not a success."""


class RemoteImplausible(RemoteError):
    """The remote system told an instant that cannot be. What it said with it is not believed."""

    error_class = ErrorClass.DATA
    may_have_acted = False


class LedgerError(BasculeError):
    """The ledger cannot be used."""


class LedgerUnreachable(LedgerError):
    """The ledger cannot be opened."""


class LedgerBusy(LedgerError):
    """Another program holds the ledger for writing."""


class LedgerReadOnly(LedgerError):
    """The ledger may only be read."""


class LedgerFull(LedgerError):
    """There is no room left where the ledger lies."""


class LedgerNewer(LedgerError):
    """The ledger was made by a newer version of Bascule."""


class LedgerOlder(LedgerError):
    """The ledger was made by an older version of Bascule."""


class LedgerBroken(LedgerError):
    """Something in the ledger is not as Bascule wrote it."""


class LeaseLost(LedgerError):
    """Another process took the cabinet over. This one must not act on it any more."""


class CabinetTaken(LedgerError):
    """Another process is working on this cabinet."""

    def __init__(self, message: str, *, until: float) -> None:
        super().__init__(message)
        self.until = until
        """Seconds until the other process's lease expires, if it is not renewed."""
