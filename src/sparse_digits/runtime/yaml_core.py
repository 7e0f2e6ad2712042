"""YAML 1.2's core schema for PyYAML, which by itself follows YAML 1.1.

DVC reads params.yaml as YAML 1.2: `1e-3` is a number, `010` is ten, and `yes` is text. Some spellings that
DVC's parser accepts beyond the core schema (`1_000`, `0b1`, dates, `<<`) are text here, so that a value which
both would read differently is refused by whoever expects a number.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from yaml import MappingNode, Node, SafeLoader, ScalarNode
from yaml.constructor import ConstructorError, SafeConstructor

TAG = "tag:yaml.org,2002:"

# YAML 1.2.2, section 10.3.2: the tag of a plain scalar, its pattern, the characters that it can start with.
CORE_SCHEMA = (
    ("null", r"null|Null|NULL|~|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", tuple("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        tuple("-+.0123456789"),
    ),
)

Lines = dict[tuple[str, ...], int]


class CoreLoader(SafeLoader):  # type: ignore[misc]  # PyYAML ships no types
    """PyYAML's loader with the tags of the core schema and no others; it refuses duplicate keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute
    yaml_constructors: dict[str | None, Any] = {
        TAG + kind: SafeConstructor.yaml_constructors[TAG + kind]
        for kind in ("null", "bool", "str", "seq", "map")
    } | {None: SafeConstructor.construct_undefined}

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Construct a mapping. Raises ConstructorError at a key that occurs twice."""
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            single = MappingNode(node.tag, [(key_node, value_node)], node.start_mark, node.end_mark)
            for key, value in super().construct_mapping(single, deep=deep).items():
                if key in values:
                    message = (
                        f'found duplicate key "{key}" with value "{value}" (original value: "{values[key]}")'
                    )
                    raise ConstructorError(
                        "while constructing a mapping", node.start_mark, message, key_node.start_mark
                    )
                values[key] = value
        return values

    def construct_int(self, node: ScalarNode) -> int:
        """Construct a decimal, octal (0o) or hexadecimal (0x) integer."""
        text = self.construct_scalar(node)
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(self._convert(node, lambda: int(text, base)))

    def construct_float(self, node: ScalarNode) -> float:
        """Construct a float, infinite and not-a-number included."""
        text = self.construct_scalar(node).lower()
        if text == ".nan":
            return math.nan
        return float(self._convert(node, lambda: float(text.replace(".inf", "inf"))))

    def _convert(self, node: ScalarNode, convert: Any) -> Any:
        """Return what `convert` returns; raise ConstructorError if the text is not what its tag says."""
        try:
            return convert()
        except ValueError as error:  # `!!int x`, or more digits than Python converts
            raise ConstructorError(None, None, str(error), node.start_mark) from None


for kind, pattern, first_characters in CORE_SCHEMA:
    CoreLoader.add_implicit_resolver(TAG + kind, re.compile(f"(?:{pattern})\\Z"), list(first_characters))
CoreLoader.add_constructor(TAG + "int", CoreLoader.construct_int)
CoreLoader.add_constructor(TAG + "float", CoreLoader.construct_float)


def load(text: str) -> Any:
    """Return the value of a YAML document. Raises yaml.YAMLError."""
    return load_with_lines(text)[0]


def load_with_lines(text: str) -> tuple[Any, Lines]:
    """Return the value of a YAML document, and the line of each key, counted from 1, by its path of keys."""
    loader = CoreLoader(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), dict(_lines(node))
    finally:
        loader.dispose()


def _lines(node: Node | None, parents: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            path = (*parents, str(key.value))
            yield path, key.start_mark.line + 1
            yield from _lines(value, path)
