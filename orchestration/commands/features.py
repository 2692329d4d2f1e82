"""`storeloop features`: every documented feature, with its meaning, unit and tables."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def features(
    out: Annotated[Path | None, typer.Option(help="Write the page here, as Markdown, instead of showing it.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print Markdown as it is.")] = False,
) -> None:
    """Show what models can know of a series, at the origin and ahead of it, and of a customer."""
    from features.feature_docs import feature_page

    page = feature_page()
    if out is not None:
        out.write_text(page, encoding="utf-8")
        typer.echo(f"written to {out}")
    elif plain:
        typer.echo(page)
    else:
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(page))
