"""Tables that leave the service. Refuses to let a cell be a formula: a spreadsheet would work it out for whoever opens the file."""

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> object:
    """The value as a cell that no spreadsheet takes for a formula (OWASP, “CSV Injection”)."""
    if isinstance(value, str) and value.startswith(_BEGINS_FORMULA):
        return f"'{value}"
    return value
