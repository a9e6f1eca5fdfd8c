"""Learn a table, draw rows, save the model and load it again."""

import pandas as pd

from rowsmith import Synthesizer

tips = pd.DataFrame({"day": ["Thu", "Fri", "Sat", "Sun"] * 25, "size": [2, 3, 4, 2, 1] * 20})

synthesizer = Synthesizer(seed=1, training={"max_steps": 20}).fit(tips)
print(synthesizer.report.stop_reason)

synthetic = synthesizer.sample(50)
assert list(synthetic.columns) == ["day", "size"]
assert synthetic.dtypes.equals(tips.dtypes)
print(synthesizer.results.status, synthesizer.results.valid_record_fraction)

synthesizer.save("tips-model", overwrite=True)
again = Synthesizer.load("tips-model").sample(50, seed=1)
assert again.equals(synthetic)
