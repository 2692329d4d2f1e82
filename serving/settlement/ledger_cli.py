"""`storeloop ledger`: the newest head, receipts with proofs, their check with a public key alone, and an audit that trusts nobody.

Exit code 1: what was asked to hold does not; 2: it could not be looked at.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from serving.settlement.audit import Progress
    from serving.settlement.ledger_reader import LedgerReader
    from serving.settlement.ledger_settings import LedgerSettings
    from serving.settlement.ledger_store import LedgerStore
    from serving.settlement.notes import Head, TrustedKey

Store = Annotated[
    str | None,
    typer.Option(
        help="SQLite file of the ledger, by default in Storeloop's home. A database's address holds a password: leave it to "
        "STORELOOP_LEDGER_STORE."
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        help="Public key (PEM) of the ledger; repeatable as FILE:FIRST-LAST with the entries of the heads that each may sign.",
    ),
]
Origin = Annotated[str | None, typer.Option("--ledger", help="Name of the ledger.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Folder = Callable[[], Path]


def build_ledger_app(home: Folder) -> typer.Typer:
    """`ledger head|prove|verify|audit`; `home()` gives Storeloop's home, for what neither options nor environment name."""
    app = typer.Typer(
        no_args_is_help=True,
        help="Signed heads, receipts and audits of the ledger.",
        context_settings={"obj": home},
    )
    for command in (head, prove, verify, audit):
        app.command()(command)
    return app


def head(
    context: typer.Context,
    *,
    store: Store = None,
    key: Keys = None,
    ledger: Origin = None,
    out: Annotated[Path | None, typer.Option(help="File to keep the head in, for a later `audit --since`.")] = None,
    stamp: Annotated[
        bool, typer.Option("--stamp", help="Have it stamped by STORELOOP_LEDGER_TSA, into OUT.tsr.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the newest signed head."""
    with _told(as_json):
        asked = _Asked(context.obj, store, key, ledger)
        found = asked.reader.head()
        if found is None:
            raise ValueError("the ledger is empty: its first head comes with its first entry")
        told = _of_head(*found)
        if out is not None:
            out.write_text(found[1], encoding="utf-8")
            told["out"] = str(out)
        if stamp:
            told |= _stamped(found[1], out, asked.settings)
        _show(told, as_json)


def prove(
    context: typer.Context,
    entry: Annotated[str, typer.Argument(help="Id of an entry, such as a bill's, or its number.")],
    *,
    out: Annotated[Path, typer.Option(help="Receipt to write (JSON).")],
    qr: Annotated[Path | None, typer.Option(help="The same as a QR code: .png or .svg.")] = None,
    store: Store = None,
    key: Keys = None,
    ledger: Origin = None,
    as_json: AsJson = False,
) -> None:
    """Write an entry's receipt: the entry, the proof that the ledger holds it, and the signed head."""
    from serving.settlement.ledger_reader import LedgerError
    from serving.settlement.receipt_codes import draw

    with _told(as_json):
        reader = _Asked(context.obj, store, key, ledger).reader
        try:
            receipt = reader.receipt(entry)
        except LedgerError:
            if not entry.isdecimal():
                raise
            receipt = reader.receipt(int(entry))
        out.write_text(receipt.to_json(), encoding="utf-8")
        told = {"entry": receipt.entry.entry_id, "number": receipt.number, "receipt": str(out)}
        if qr is not None:
            told |= {"modules": draw(receipt, qr), "qr": str(qr)}
        _show(told, as_json)


def verify(
    context: typer.Context,
    receipt: Annotated[Path, typer.Argument(help="A receipt (JSON), or the text that a scanner read from its code.")],
    key: Keys = None,
    ledger: Origin = None,
    as_json: AsJson = False,
) -> None:
    """Check a receipt with the public key alone; no ledger and no network is asked."""
    from serving.settlement.receipt_codes import PREFIX, unpack
    from serving.settlement.receipts import Receipt

    with _told(as_json):
        text = receipt.read_text(encoding="utf-8")
        keys = _Asked(context.obj, None, key, ledger).keys
        with _told(as_json, code=1):
            found = unpack(text) if text.startswith(PREFIX) else Receipt.from_json(text)
            under = found.check(keys, ledger)
        entry = found.entry
        told = {"verified": True, "entry": entry.entry_id, "kind": entry.kind, "number": found.number}
        _show(told | {"body": entry.body, "head": _of_head(under, found.note)}, as_json)


def audit(
    context: typer.Context,
    *,
    since: Annotated[
        list[Path] | None,
        typer.Option(
            help="A head that you have kept (`head --out`), or any receipt; repeatable. Finds a ledger signed anew."
        ),
    ] = None,
    store: Store = None,
    key: Keys = None,
    ledger: Origin = None,
    as_json: AsJson = False,
) -> None:
    """Hash every entry again and compare with every head; exit code 1 and what is wrong, if anything is."""
    from serving.settlement.audit import audit as audit_store

    with _told(as_json):
        asked = _Asked(context.obj, store, key, ledger)
        kept = [_kept(file) for file in since or []]
        origin, progress = asked.settings.origin, _progress(as_json)
        report = audit_store(asked.store, asked.keys, origin=origin, witnessed=kept, on_progress=progress)
        told = {"clean": report.clean, "entries": report.entries, "heads": report.heads, "kept_heads": len(kept)}
        under = {} if report.head is None else _of_head(report.head)
        _show(told | {"head": under, "problems": report.problems, "more_problems": report.more_problems}, as_json)
        if not report.clean:
            raise typer.Exit(1)


class _Asked:
    """What the options and the environment say of a ledger; looked up only when it is needed."""

    def __init__(self, home: Folder, store: str | None, keys: list[str] | None, origin: str | None) -> None:
        self._home, self._keys, self._given = home, keys, {"store": store, "origin": origin}

    @property
    def settings(self) -> "LedgerSettings":
        from serving.settlement.ledger_settings import LedgerSettings

        return LedgerSettings(**{name: value for name, value in self._given.items() if value is not None})  # type: ignore[arg-type]

    @property
    def keys(self) -> "list[TrustedKey]":
        from serving.settlement.ledger_settings import read_keys, trusted_keys

        return read_keys(self._keys) if self._keys else trusted_keys(self.settings, self._home())

    @property
    def store(self) -> "LedgerStore":
        from serving.settlement.ledger_settings import open_store

        settings = self.settings
        return open_store(settings, Path() if settings.store.get_secret_value() else self._home(), read_only=True)

    @property
    def reader(self) -> "LedgerReader":
        from serving.settlement.ledger_reader import LedgerReader

        return LedgerReader(self.store, self.keys, origin=self.settings.origin)


def _of_head(head: "Head", note: str | None = None) -> dict[str, Any]:
    told = {"ledger": head.origin, "size": head.size, "root": head.root.hex(), "when": head.when}
    return told if note is None else told | {"note": note}


def _kept(file: Path) -> str:
    from serving.settlement.receipts import Receipt

    text = file.read_text(encoding="utf-8")
    return Receipt.from_json(text).note if text.lstrip().startswith("{") else text


def _stamped(note: str, out: Path | None, settings: "LedgerSettings") -> dict[str, Any]:
    from serving.settlement.stamps import read_roots, stamp

    if out is None or not settings.tsa or settings.tsa_root is None:
        raise ValueError("a stamp needs --out, STORELOOP_LEDGER_TSA and STORELOOP_LEDGER_TSA_ROOT")
    answer, when = stamp(note, settings.tsa, read_roots(settings.tsa_root), timeout_s=settings.tsa_timeout_s)
    beside = out.with_name(f"{out.name}.tsr")
    beside.write_bytes(answer)
    return {"stamp": str(beside), "stamped": when.isoformat()}


def _progress(as_json: bool) -> "Progress | None":
    if as_json or not sys.stderr.isatty():
        return None
    return lambda told, share: typer.echo(f"\r{told}, {share:.0%} ", nl=share == 1, err=True)


@contextmanager
def _told(as_json: bool, code: int = 2) -> Iterator[None]:
    """An error of ours is one line, not a traceback."""
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if isinstance(error, typer.Exit):  # a RuntimeError, to Typer
            raise
        typer.echo(json.dumps({"error": str(error)}) if as_json else f"error: {error}", err=not as_json)
        raise typer.Exit(code) from error


def _show(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    for name, value in told.items():
        if isinstance(value, list):
            typer.echo(f"{name}: {len(value)}")
            for each in value:
                typer.echo(f"  {each}")
        elif isinstance(value, Mapping):
            typer.echo(f"{name}:")
            for part, of in value.items():
                typer.echo(f"  {part}: {of}")
        else:
            typer.echo(f"{name}: {value}")
