"""CSV: comma, semicolon or tab, whichever splits the header line best."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from bascule.tables.cells import MAX_COLUMNS, Cell, Row, Table
from bascule.tables.problems import Broken, Problem

DELIMITERS = ",;\t"
MAX_LINE = 100_000

Record = tuple[int, list[str]]


def read_csv(text: str, file: str, problems: list[Problem], *, at_most: int) -> Table:
    """The rows that have as many fields as the header; the others are added to `problems`. Raises Broken."""
    longest = max(map(len, text.splitlines()), default=0)
    if longest > MAX_LINE:
        raise Broken(f"has a line of {longest:,} characters; at most {MAX_LINE:,} are read", "Check what the file is")
    records = _records(text, file, problems)
    header_line, headers = next(records, (1, []))
    if len(headers) > MAX_COLUMNS:
        raise Broken(f"has {len(headers):,} columns; at most {MAX_COLUMNS} are read", "Check the delimiter")
    if len(headers) == 1 and (other := re.search(r"\w([|:^~])\w", headers[0])):
        raise Broken(f"its columns are split by `{other[1]}`", "Split them by comma, semicolon or tab")
    while headers and not headers[-1].strip():
        headers.pop()
    table = Table(file, None, header_line, tuple(headers), [])
    for line, record in records:
        if len(table.rows) == at_most:
            raise Broken(f"has more than {at_most:,} rows", "Split the file")
        while len(record) > len(headers) and not record[-1].strip():
            record.pop()
        if len(record) == len(headers):
            table.rows.append(Row(line, table.headers, [Cell(value, line) for value in record]))
        else:
            rule = f"the row has {len(record)} fields where the header has {len(headers)}"
            fix = "Add or remove delimiters, or quote the field that contains one"
            problems.append(Problem(file, line, None, None, rule, fix))
    return table


def _records(text: str, file: str, problems: list[Problem]) -> Iterator[Record]:
    """Records that are not blank, each with the line on which it begins, up to the first that cannot be parsed."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=_delimiter(text), strict=True)
    begins = 1
    try:
        for record in reader:
            hint_of_excel = (
                begins == 1 and len(record) <= 2 and record[:1] in (["sep="], [f"sep={reader.dialect.delimiter}"])
            )
            if any(map(str.strip, record)) and not hint_of_excel:
                yield begins, record
            begins = reader.line_num + 1
    except csv.Error as error:
        unclosed = "unexpected end" in str(error) or "field larger" in str(error)
        rule = "a quotation mark is opened here and not closed" if unclosed else f"cannot be parsed as CSV: {error}"
        fix = 'Close it, or double it (`""`) where it belongs to the text; the lines after it were not read'
        problems.append(Problem(file, begins, None, None, rule, fix))


def _delimiter(text: str) -> str:
    lines = (line for line in text.splitlines() if line.strip())
    header = next(lines, "")
    if hint := re.fullmatch(f"sep=([{DELIMITERS}])", header.strip(" ")):
        return hint[1]
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([header], delimiter=delimiter))))
