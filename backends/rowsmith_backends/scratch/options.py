"""Options of the model ``scratch``; importing them imports nothing heavy."""

from __future__ import annotations

from attrs import field, frozen, validators

from rowsmith.config.sections import between

__all__ = ["ScratchOptions"]

# Far beyond any use: a typing error is reported before memory runs out.
_most = between(1, 1_000_000)
_widest = between(1, 65_536)
_deepest = between(1, 1_000)


@frozen(kw_only=True)
class ScratchOptions:
    """Options of the model ``scratch``.

    Attributes:
        width: Hidden size, a multiple of twice the heads; by default chosen from the table.
        layers: Number of blocks; by default chosen from the table.
        heads: Attention heads; by default about one for each 32 of width.
        mlp: Inner size of a block's MLP; by default 2.5 times the width.
        batch_size: Records a step; by default chosen from the table.
        learning_rate: Peak rate of embeddings and output layer.
        matrix_learning_rate: Peak rate of Muon for the matrices inside the blocks; 0 leaves them to AdamW.
            By default 0.004 for budgets of up to five epochs, and 0 for longer ones: Muon learns faster,
            and overfits sooner.
        weight_decay: Decoupled weight decay; by default 0.05 for budgets of up to five epochs and 0.1 for
            longer ones and small tables, or 0.5 for these where ``blanked`` is set to 0.
        blanked: The largest share of a record's tokens that are masked in the input (input dropout), while the loss
            is over all of them; the share is drawn for each record and step, from 0 to this. By default 0 for budgets
            of up to five epochs, a thirtieth of the epochs for longer ones, at most 1, and 1 for tables of fewer than
            2,000 rows. It learns dependencies between columns with less overfitting.
        context: The most tokens of an example; by default the longest record or group and a quarter more, and a
            window of 1024 for series that are much longer.
        max_values: The most tokens of one closed column.
        max_pieces: The most pieces learned for open columns.
        dtype: Precision of training: ``auto`` tries bfloat16 and float32 and takes the faster.
    """

    width: int | None = field(default=None, validator=_widest)
    layers: int | None = field(default=None, validator=_deepest)
    heads: int | None = field(default=None, validator=_deepest)
    mlp: int | None = field(default=None, validator=_widest)
    batch_size: int | None = field(default=None, validator=_most)
    learning_rate: float = field(default=2e-3, validator=between(0, 10, above=True))
    matrix_learning_rate: float | None = field(default=None, validator=between(0, 10))
    weight_decay: float | None = field(default=None, validator=between(0, 100))
    blanked: float | None = field(default=None, validator=between(0, 1))
    context: int | None = field(default=None, validator=between(16, 1_000_000))
    max_values: int = field(default=2_000, validator=between(2, 1_000_000))
    max_pieces: int = field(default=1_000, validator=between(257, 1_000_000))
    dtype: str = field(default="auto", validator=validators.in_(("auto", "float32", "bfloat16")))

    def __attrs_post_init__(self) -> None:
        step = 2 * (self.heads or 1)
        if self.width is not None and self.width % step:
            raise ValueError(
                f"width {self.width} cannot be split into heads of one even size; with heads {self.heads or 1} it must "
                f"be a multiple of {step}, such as {-(-self.width // step) * step}"
            )
