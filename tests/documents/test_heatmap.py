"""A table of numbers as a picture: every number is there, and the largest is the darkest."""

import re

import pandas
import pytest

from widgets.documents.heatmap import Heatmap

ROWS = {"fc1": {0.5: 0.25, 0.9: 4.0}, "<fc2>": {0.5: -1.0, 0.9: 2.0}}


@pytest.mark.parametrize("rows", [ROWS, pandas.DataFrame(ROWS).T])
def test_every_number_is_a_cell_as_dark_as_it_is_large(rows):
    page = Heatmap(rows, "lost", decimals=2)._repr_html_()
    cells = re.findall(r'<td style="background:rgb\(36 86 199 / ([\d.]+)\);[^"]*">([-\d.]+)</td>', page)
    assert cells == [("0.06", "0.25"), ("1.00", "4.00"), ("0.00", "-1.00"), ("0.50", "2.00")]
    assert re.findall(r'scope="(?:col|row)">([^<]*)<', page) == ["0.5", "0.9", "fc1", "&lt;fc2&gt;"]
    assert "<caption>lost</caption>" in page


def test_a_table_without_rows_is_a_caption():
    assert "<td" not in Heatmap({}, "nothing")._repr_html_()
