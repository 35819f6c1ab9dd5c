"""The OpenAPI document of the team's API, made from the same table as its routes."""

import re
from typing import Any

from service.web.api.calls import CALLS, PREFIX, Call

_TYPES = {"text": "string", "number": "integer", "list": "array", "object": "object", "yes": "boolean"}


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for one in CALLS:
        paths.setdefault(PREFIX + re.sub(r"<int:(\w+)>", r"{\1}", one.path), {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Broadsheet",
            "version": "1",
            "description": "Every call is what a page of the team's side does.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{"key": []}],
    }


def _operation(call: Call) -> dict[str, Any]:
    places = re.findall(r"<int:(\w+)>", call.path)
    made: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "parameters": [{"name": one, "in": "path", "required": True, "schema": {"type": "integer"}} for one in places],
        "responses": {
            str(call.status): {"description": "Done"},
            "401": {"description": "No key, or none that is in force"},
            "403": {"description": "The key's role does not allow it"},
            "404": {"description": "There is no such thing"},
            "409": {"description": "It cannot be done as things are"},
            "422": {"description": "What was sent has problems, which are named"},
        },
    }
    schemas = {name: {"type": _TYPES[field.kind], "description": field.told} for name, field in call.fields.items()}
    if call.method == "GET" or call.takes_file:
        made["parameters"] += [
            {"name": name, "in": "query", "required": call.fields[name].is_needed, "schema": schema}
            for name, schema in schemas.items()
        ]
    if call.takes_file:
        made["requestBody"] = {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
    elif call.method != "GET" and schemas:
        needed = [name for name, field in call.fields.items() if field.is_needed]
        schema = {"type": "object", "properties": schemas, "additionalProperties": False}
        made["requestBody"] = {
            "content": {"application/json": {"schema": schema | ({"required": needed} if needed else {})}}
        }
    return made
