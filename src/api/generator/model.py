"""Reads the API documents and the overlay, and makes one list of structs, enums and aliases out of them.

The documents are merged first (the newer one leads; what only the older one has is inserted after its predecessor there), then each
inline object and enum gets a name, then the structs are ordered so that each stands after what it contains by value.
"""

from dataclasses import dataclass, field

from .naming import enumerator, pascal, snake

INTEGERS = {
    "uint8": "std::uint8_t", "uint16": "std::uint16_t", "uint32": "std::uint32_t", "uint64": "std::uint64_t",
}


@dataclass
class Member:
    json: str
    cpp: str
    type: str
    optional: bool
    unset: str  # what is written when it is not set: omit, null, zero, or the JSON text itself
    string_or_list: bool = False


@dataclass
class Struct:
    name: str
    base: str | None = None
    members: list = field(default_factory=list)


@dataclass
class Enum:
    name: str
    values: list  # (text, enumerator)


@dataclass
class Alias:
    name: str
    type: str


def merge(new, old):
    """The schema `new` with the members that only `old` has, each after its predecessor in `old`."""
    if not isinstance(new, dict) or not isinstance(old, dict) or "properties" not in old:
        return new
    if "allOf" in new or "allOf" in old or "properties" not in new:
        return new
    properties = dict(new["properties"])
    previous = None
    for name, schema in old["properties"].items():
        if name in properties:
            properties[name] = merge(properties[name], schema)
        else:
            properties = _insert_after(properties, previous, name, schema)
        previous = name
    return {**new, "properties": properties}


def _insert_after(properties, previous, name, schema):
    if previous is None:
        return {name: schema, **properties}
    result = {}
    for key, value in properties.items():
        result[key] = value
        if key == previous:
            result[name] = schema
    return result


class Model:
    def __init__(self, new, old, overlay):
        self.overlay = overlay
        self.types = {}  # name -> Struct, Enum or Alias, in the order of the document
        self.endpoints = self._merge_endpoints(new["endpoints"], old["endpoints"])
        self.schemas = self._merge_definitions(new["definitions"], old["definitions"])
        self._fold_inline_bodies(old["endpoints"])
        self._apply_overlay()
        for name, schema in self.schemas.items():
            self._define(name, schema)
        for endpoint in self.endpoints:
            self._define_bodies(endpoint)
        self._settle_unset()
        self.ordered = self._order()

    # --- merging -----------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _merge_definitions(new, old):
        merged = {name: _merge_all_of(schema, old.get(name)) for name, schema in new.items()}
        previous = None
        for name, schema in old.items():
            if name not in merged:
                merged = _insert_after(merged, previous, name, schema)
            previous = name
        return merged

    def _merge_endpoints(self, new, old):
        older = {(endpoint["method"], endpoint["path"]): endpoint for endpoint in old}
        result = []
        for endpoint in new:
            endpoint = dict(endpoint)
            other = older.pop((endpoint["method"], endpoint["path"]), None)
            known = {param["name"] for param in endpoint["params"]}
            extra = [param for param in (other or {}).get("params", []) if param["name"] not in known]
            extra += self.overlay["parameters"].get(endpoint["operationId"], [])
            endpoint["params"] = list(endpoint["params"]) + extra
            if other:
                endpoint["body"] = merge(endpoint["body"], other["body"])
                endpoint["responses"] = {
                    code: merge(schema, other["responses"].get(code)) for code, schema in endpoint["responses"].items()
                }
            result.append(endpoint)
        return result + list(older.values()) + self.overlay["endpoints"]

    def _fold_inline_bodies(self, old_endpoints):
        """Where the newer document has a name for what the older one wrote inline, the older one's members go into that definition."""
        newer = {(endpoint["method"], endpoint["path"]): endpoint for endpoint in self.endpoints}
        for endpoint in old_endpoints:
            pairs = [(newer[endpoint["method"], endpoint["path"]]["body"], endpoint["body"])]
            pairs += [(newer[endpoint["method"], endpoint["path"]]["responses"].get(code), schema)
                      for code, schema in endpoint["responses"].items()]
            for current, before in pairs:
                if current and before and "$ref" in current and "properties" in before:
                    self.schemas[current["$ref"]] = merge(self.schemas[current["$ref"]], before)

    def _apply_overlay(self):
        for path in self.overlay["drop"]:
            name, member = path.split(".")
            del self.schemas[name]["properties"][member]
        for path, schema in self.overlay["types"].items():
            name, member = path.split(".")
            self.schemas[name]["properties"][member] = schema
        for name, members in self.overlay["first_members"].items():
            self.schemas[name] = {**self.schemas[name], "properties": {**members, **self.schemas[name]["properties"]}}

    # --- naming ------------------------------------------------------------------------------------------------------------------

    def _define_bodies(self, endpoint):
        operation = endpoint["operationId"]
        if endpoint["body"]:
            self._define_inline(operation + "Request", endpoint["body"])
        for code, schema in endpoint["responses"].items():
            if code.startswith("2") and schema:
                if schema.get("type") == "array":
                    self._define_inline(operation + "ResponseItem", schema["items"])
                else:
                    self._define_inline(operation + "Response", schema)

    def _define_inline(self, name, schema):
        if name not in self.types and ("properties" in schema or "allOf" in schema):
            self._define(name, schema)

    def _define(self, name, schema):
        if "allOf" in schema:
            self._define_all_of(name, schema)
        elif schema.get("type") == "object" and "properties" in schema:
            self._define_struct(name, None, schema)
        elif schema.get("type") == "string" and "enum" in schema:
            self.types[name] = Enum(name, [(value, enumerator(value)) for value in schema["enum"]])
        else:
            self.types[name] = Alias(name, self._type(name, "", schema))

    def _define_all_of(self, name, schema):
        parts = [part for part in schema["allOf"] if "$ref" in part or part.get("properties")]
        if schema.get("properties"):
            parts.append({"properties": schema["properties"], "required": schema.get("required", [])})
        bases = [part["$ref"] for part in parts if "$ref" in part]
        own = [part for part in parts if "$ref" not in part]
        if len(bases) != 1 or len(own) > 1:
            raise SystemExit(f"{name}: allOf of {len(bases)} references and {len(own)} objects is not handled")
        if not own:
            self.types[name] = Alias(name, bases[0])
        else:
            self._define_struct(name, bases[0], own[0])

    def _define_struct(self, name, base, schema):
        struct = Struct(name, base)
        required = schema.get("required", [])
        self.types[name] = struct  # before what is nested in it, so that the document's order is kept
        rules = self.overlay["unset"].get(name, {})
        for json_name, member_schema in schema["properties"].items():
            type_name = self._type(name, json_name, member_schema)
            unset = rules.get(json_name, rules.get("*", "omit"))
            optional = json_name not in required or (rules.get(json_name) == "null")
            struct.members.append(Member(json_name, self._member_name(struct, json_name), type_name, optional, unset,
                                         f"{name}.{json_name}" in self.overlay["string_or_list"]))
        for path in rules:
            if path != "*" and path not in schema["properties"]:
                raise SystemExit(f"wire.json: {name} has no member {path}")

    @staticmethod
    def _member_name(struct, json_name):
        name = snake(json_name)
        if name == "unknown" or any(member.cpp == name for member in struct.members):
            name += "_"
        return name

    def _settle_unset(self):
        """What an unset member is written as, once every type is known."""
        for item in self.types.values():
            if isinstance(item, Struct):
                for member in item.members:
                    if member.unset == "go":
                        member.unset = self._go_zero(member.type)

    def _go_zero(self, type_name):
        if type_name.startswith(("std::vector", "std::map")):
            return "null"
        target = self.types.get(type_name)
        if isinstance(target, Alias):
            return self._go_zero(target.type)
        return "omit" if isinstance(target, Struct) else "zero"

    def _type(self, owner, member, schema):
        """The C++ type of a schema; an inline object or enum is defined as owner + member on the way."""
        if "$ref" in schema:
            return schema["$ref"]
        if len(schema.get("allOf", [])) == 1:
            return schema["allOf"][0]["$ref"]
        kind = schema.get("type")
        name = owner + pascal(member)
        if "properties" in schema:
            self._define_struct(name, None, schema)
            return name
        if isinstance(schema.get("additionalProperties"), dict):
            value = self._type(owner, member, schema["additionalProperties"])
            if schema["additionalProperties"].get("nullable") and schema["additionalProperties"].get("type") == "array":
                value = f"std::optional<{value}>"
            return f"std::map<std::string, {value}>"
        if kind == "array":
            return f"std::vector<{self._type(owner, member or 'Item', schema['items'])}>"
        if kind == "string":
            if "enum" in schema:
                self.types[name] = Enum(name, [(value, enumerator(value)) for value in schema["enum"]])
                return name
            return "std::string"
        if kind == "integer":
            return INTEGERS.get(schema.get("format"), "std::int64_t")
        if kind == "number":
            return "double"
        if kind == "boolean":
            return "bool"
        if kind == "object" and schema.get("enum") == [{}]:
            return "EmptyObject"
        if kind in ("object", None):
            return "RawJson"
        raise SystemExit(f"{owner}.{member}: no C++ type for {schema}")

    # --- order -------------------------------------------------------------------------------------------------------------------

    def _order(self):
        done, path = {}, []

        def visit(name):
            if name in done:
                return
            if name in path:
                raise SystemExit(f"{name} contains itself by value: {' > '.join(path)}")
            path.append(name)
            item = self.types[name]
            if isinstance(item, Alias):
                uses = [item.type]
            elif isinstance(item, Struct):
                uses = ([item.base] if item.base else []) + [member.type for member in item.members]
            else:
                uses = []
            for use in uses:
                for word in _words(use):
                    # A vector or map of the struct that is being defined is allowed: both accept an incomplete element.
                    if word in self.types and not (word in path and use.startswith("std::")):
                        visit(word)
            path.pop()
            done[name] = item

        for name in self.types:
            visit(name)
        return list(done.values())


def _words(type_name):
    for mark in "<>,":
        type_name = type_name.replace(mark, " ")
    return type_name.split()


def _merge_all_of(new, old):
    """merge() for definitions, where an allOf holds one inline object in both documents (HostConfig)."""
    if old and "allOf" in new and "allOf" in old:
        before = next((part for part in old["allOf"] if "properties" in part), None)
        return {**new, "allOf": [merge(part, before) if "properties" in part else part for part in new["allOf"]]}
    return merge(new, old) if old else new
