"""Tables in plain text: in columns where they fit, else one record a row with its headings."""

from service.rendering.wrapping import columns, wrap

_GAP = "  "


def lay_out(rows: list[list[str]], *, right: set[int], has_head: bool, width: int) -> list[list[str]]:
    """Blocks of lines for a table; `right` are the columns set to the right."""
    rows = [row for row in rows if row]
    if not rows:
        return []
    widths = [max((columns(row[at]) for row in rows if at < len(row)), default=0) for at in range(max(map(len, rows)))]
    if sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
        return [_in_columns(rows, widths, right, has_head)]
    return _as_records(rows, has_head, width)


def _in_columns(rows: list[list[str]], widths: list[int], right: set[int], has_head: bool) -> list[str]:
    lines = [
        _GAP.join(_padded(cell, widths[at], to_right=at in right) for at, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    if has_head:
        lines.insert(1, _GAP.join("-" * width for width in widths))
    return lines


def _padded(cell: str, width: int, *, to_right: bool) -> str:
    space = " " * (width - columns(cell))
    return space + cell if to_right else cell + space


def _as_records(rows: list[list[str]], has_head: bool, width: int) -> list[list[str]]:
    """Headings before every value, so that no row needs the one above to be understood."""
    head = rows[0] if has_head and len(rows) > 1 else []
    records = []
    for row in rows[1:] if head else rows:
        lines: list[str] = []
        for at, cell in enumerate(row):
            name = f"{head[at]}: " if at < len(head) and head[at] else ""
            if cell or name:
                lines += wrap(name + (cell or "—"), rest="  ", width=width)
        records.append(lines)
    return records
