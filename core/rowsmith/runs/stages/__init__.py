"""The stages of a run, in order, each a plain function over the run directory.

``read`` reads the table and ``split`` holds rows out; ``learn`` fits the transforms, prepares and trains the model
and saves the bundle; ``train`` does all three. ``generate`` loads the bundle and samples rows until the target is met
or a policy says stop. All take the registry as an argument and find every component through it.
"""

from __future__ import annotations

from rowsmith.runs.stages.generating import generate
from rowsmith.runs.stages.learning import learn, train
from rowsmith.runs.stages.reading import read, report_notes, split
from rowsmith.runs.stages.run import BUNDLE_FOLDER, Run

__all__ = ["BUNDLE_FOLDER", "Run", "generate", "learn", "read", "report_notes", "split", "train"]
