"""Finds the SQL that code hands to a database, and says which of it is put together from nothing but text that stands in the code.
Whatever cannot be told from one function alone is given back, for a person to look at."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_RUNS = ("execute", "executemany", "exec_driver_sql")
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
_SAFE_PARTS = ("sql.Identifier", "sql.Literal", "sql.Placeholder", "int")
"""What makes anything harmless in a statement: psycopg's quoting, and a number."""
_MARKS = ("sql.SQL", "text", "sa.text", "sqlalchemy.text")


@dataclass
class Scope:
    """The names of a function, or of a module: to what each is ever bound. None: to something that comes from outside."""

    bound: dict[str, list[ast.expr | None]] = field(default_factory=dict)
    looking_at: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, tree: ast.AST) -> "Scope":
        made = cls()
        if isinstance(tree, ast.FunctionDef):
            given = tree.args
            for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
                if one is not None:
                    made._bind(ast.Name(one.arg, ast.Store()), None)
        for node in ast.walk(tree):
            made._look(node)
        return made

    def _look(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            self._bind(node.target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            self._bind(node.target, node.iter)
        elif isinstance(node, ast.withitem | ast.ExceptHandler):
            name = node.optional_vars if isinstance(node, ast.withitem) else ast.Name(node.name or "_", ast.Store())
            self._bind(name, None)

    def _bind(self, target: ast.AST | None, value: ast.expr | None) -> None:
        for node in ast.walk(target) if target is not None else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.bound.setdefault(node.id, []).append(value)

    def is_fixed(self, one: ast.expr | None) -> bool:
        """Whether the expression can only be text that stands in the code."""
        match one:
            case None:
                return False
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return bool(_CONSTANT.fullmatch(name)) or self._is_always_fixed(name)
            case ast.Attribute(attr=name):
                return bool(_CONSTANT.fullmatch(name))
            case ast.Subscript(value=value) | ast.FormattedValue(value=value):
                return self.is_fixed(value)
            case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
                return all(map(self.is_fixed, parts))
            case ast.Dict(values=parts):
                return all(map(self.is_fixed, parts))
            case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
                return self.is_fixed(left) and self.is_fixed(right)
            case ast.GeneratorExp(elt=element) | ast.ListComp(elt=element):
                return self.is_fixed(element)
            case ast.Call():
                return self._is_fixed_call(one)
        return False

    def _is_fixed_call(self, call: ast.Call) -> bool:
        if ast.unparse(call.func) in _SAFE_PARTS:
            return True
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if ast.unparse(call.func) in _MARKS:
            return all(map(self.is_fixed, given))
        return (
            isinstance(call.func, ast.Attribute)
            and call.func.attr in ("format", "join", "encode", "items", "values", "strip")
            and self.is_fixed(call.func.value)
            and all(map(self.is_fixed, given))
        )

    def _is_always_fixed(self, name: str) -> bool:
        if name in self.looking_at:
            return True  # bound to itself with something more, which is looked at besides
        self.looking_at.add(name)
        try:
            return bool(self.bound.get(name)) and all(map(self.is_fixed, self.bound[name]))
        finally:
            self.looking_at.discard(name)


def statements(tree: ast.Module, passing: Mapping[str, int]) -> Iterator[tuple[str, ast.expr, Scope]]:
    """Each statement that is handed to a database, or marked as SQL: the function it is in, the expression, and its scope.
    `passing`: functions that hand on what they are given → the place of it among their arguments."""
    marks = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
        for alias in node.names
        if alias.name == "text"
    }
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inner = {call: one for one in functions for call in ast.walk(one) if isinstance(call, ast.Call)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args):
        called = call.func
        is_run = isinstance(called, ast.Attribute) and called.attr in _RUNS
        is_mark = isinstance(called, ast.Name) and called.id in marks
        is_mark |= ast.unparse(called) in _MARKS[2:]
        place = 0 if is_run or is_mark else passing.get(ast.unparse(called), len(call.args))
        if place < len(call.args):
            around = inner.get(call)
            yield around.name if around else "", call.args[place], Scope.of(around or tree)


def unproven(tree: ast.Module, passing: Mapping[str, int] = MappingProxyType({})) -> dict[str, int]:
    """Function → how many statements it has of which this cannot tell that they are fixed."""
    found = statements(tree, passing)
    return dict(Counter(name for name, given, scope in found if not scope.is_fixed(given)))
