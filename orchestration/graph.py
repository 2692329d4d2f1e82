"""The asset graph as a Mermaid picture for the README: layers of tables drawn as one node each.

`python -m orchestration.graph` redraws it.
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

BEGIN, END = "<!-- graph:begin -->", "<!-- graph:end -->"
LAYERS = ("raw", "clean", "demand")


def mermaid(definitions: "dg.Definitions") -> str:
    """A flow chart of all assets; the tables of a layer share a node that says how many they are."""
    graph = definitions.resolve_asset_graph()
    keys = sorted(graph.get_all_asset_keys(), key=lambda key: key.path)
    tables = Counter((key.path[0], graph.get(key).group_name) for key in keys if key.path[0] in LAYERS)
    names = {key: _node(key.path, str(graph.get(key).group_name), tables) for key in keys}
    groups: dict[str, dict[str, str]] = {}
    for key in keys:
        groups.setdefault(str(graph.get(key).group_name), {})[names[key][0]] = names[key][1]
    edges = {
        (names[parent][0], names[key][0])
        for key in keys
        for parent in graph.get(key).parent_keys
        if names[parent][0] != names[key][0]
    }
    lines = ["flowchart LR"]
    for group, nodes in groups.items():
        lines.append(f"    subgraph {group}")
        lines += [f'        {node}["{label}"]' for node, label in nodes.items()]
        lines.append("    end")
    lines += [f"    {parent} --> {child}" for parent, child in sorted(edges)]
    return "\n".join(lines)


def _node(
    path: "list[str] | tuple[str, ...]", group: str, tables: "Counter[tuple[str, str | None]]"
) -> tuple[str, str]:
    if path[0] in LAYERS:
        return f"{group}_{path[0]}", f"{path[0]}/* ({tables[path[0], group]} tables)"
    return "_".join(path), "/".join(path)


def write_readme_graph(readme: Path) -> None:
    """Put the picture between the `graph` markers of the README."""
    from orchestration.definitions import defs

    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n```mermaid\n{mermaid(defs)}\n```\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write_readme_graph(Path(__file__).resolve().parent.parent / "README.md")
