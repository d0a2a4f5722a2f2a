# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Checks values against the JSON Schema that the API describes itself with: the words it uses, and no others."""

import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "enum", "pattern",
         "format", "minLength", "maxLength", "minimum", "maximum", "description", "$ref"}


def problems(description, schema, value, path="answer"):
    """What is wrong with a value, each with where."""
    unknown = set(schema) - KNOWN
    assert not unknown, f"the schema at {path} says what is not understood: {unknown}"
    if "$ref" in schema:
        return problems(description, description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value, path)
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or isinstance(value, bool) and kind != "boolean"):
        return [f"{path} is no {kind}: {value!r:.80}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path} is not listed: {value!r:.80}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{path} does not match {schema['pattern']}: {value!r:.80}")
    if "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        found.append(f"{path} is out of range: {value}")
    if kind == "string" and not schema.get("minLength", 0) <= len(value.encode()) <= schema.get("maxLength", 1 << 30):
        found.append(f"{path} has {len(value)} characters")
    if kind == "array":
        if not schema["minItems"] <= len(value) <= schema["maxItems"]:
            found.append(f"{path} has {len(value)} elements")
        for index, item in enumerate(value):
            found += problems(description, schema["items"], item, f"{path}[{index}]")
    if kind == "object":
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{path}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            if name in properties:
                found += problems(description, properties[name], member, f"{path}.{name}")
            elif rest is False:
                found.append(f"{path}.{name} is not described")
            elif isinstance(rest, dict):
                found += problems(description, rest, member, f"{path}.{name}")
    return found
