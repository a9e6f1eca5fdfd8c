"""Options as a configuration writes them; this module imports nothing heavy."""

from attrs import field, frozen, validators

__all__ = ["BatchLimitOptions", "EchoOptions"]


@frozen(kw_only=True)
class EchoOptions:
    """Options of the assembler ``echo``.

    Attributes:
        copies: How often a record is seen per pass.
    """

    copies: int = field(default=2, validator=validators.ge(1))


@frozen(kw_only=True)
class BatchLimitOptions:
    """Options of the policy ``batch-limit``.

    Attributes:
        batches: After how many batches a job ends.
    """

    batches: int = field(default=10, validator=validators.ge(1))
