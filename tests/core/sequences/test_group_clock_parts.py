"""Parts of the calendar from seconds."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith.sequences.calendar import part_of
from rowsmith.table.schema import TimingRole as R


@given(
    moment=st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    unsure=st.sampled_from([0.0, 1e-7, -1e-7]),
)
def test_parts_are_those_of_the_calendar(moment: datetime, unsure: float) -> None:
    moment = moment.replace(microsecond=0)
    seconds = np.array([(moment - datetime(1970, 1, 1)) // timedelta(seconds=1) + unsure])
    found = {role: int(part_of(role, seconds)[0]) for role in (R.MONTH, R.DAY, R.WEEKDAY, R.HOUR, R.MINUTE)}
    assert found == {
        R.MONTH: moment.month,
        R.DAY: moment.day,
        R.WEEKDAY: moment.weekday(),
        R.HOUR: moment.hour,
        R.MINUTE: moment.minute,
    }


def test_what_is_no_part_is_refused() -> None:
    with pytest.raises(ValueError, match="not a calendar part"):
        part_of(R.STEP, np.zeros(1))
