"""Opens a source from its one-line description, e.g. `twin` or `folder:/data/shop`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sources.base import Source, SourceError

FORMS = (
    "twin | folder:PATH | rossmann:PATH | online_retail:PATH | amazon_beauty:PATH | lastfm:PATH | dunnhumby:PATH | "
    "ujiindoorloc:PATH"
)


@dataclass(frozen=True)
class TwinOptions:
    """Which twin to open.

    `params_file` (YAML or JSON) overrides the parameters of `size`, and `days` the number of days lived, whatever the
    file says; `spool` is a folder that keeps the days lived, so that more `days` go on from there.
    """

    size: Literal["tiny", "demo", "large"] = "demo"
    seed: int = 1
    params_file: Path | None = None
    spool: Path | None = None
    days: int | None = None


def open_source(spec: str, *, twin: TwinOptions | None = None) -> Source:
    """The source that `spec` names; raises `SourceError` for an unknown kind or a missing path.

    `twin` is used by the spec "twin" alone; without it the demo size with seed 1 is opened.
    """
    kind, _, where = spec.partition(":")
    if kind == "twin":
        if where:
            raise SourceError(f"source {spec!r}: the twin takes no path; pass its parameters file as an option instead")
        return _open_twin(twin or TwinOptions())
    openers: dict[str, Callable[[Path], Source]] = {
        "folder": _open_folder,
        "rossmann": _open_rossmann,
        "online_retail": _open_online_retail,
        "amazon_beauty": _open_amazon_beauty,
        "lastfm": _open_lastfm,
        "dunnhumby": _open_dunnhumby,
        "ujiindoorloc": _open_ujiindoorloc,
    }
    if kind not in openers:
        raise SourceError(f"source {spec!r} is of no known kind; use one of {FORMS}")
    if not where:
        raise SourceError(f"source {spec!r} lacks its path; write {kind}:PATH")
    path = Path(where).expanduser()
    if not path.exists():
        raise SourceError(f"source {spec!r}: {path} does not exist; give the folder the files lie in")
    return openers[kind](path)


def _open_twin(options: TwinOptions) -> Source:
    from sources.twin.params import TwinParams
    from sources.twin.source import TwinSource

    params = TwinParams.size(options.size)
    if options.params_file is not None:
        params = TwinParams.load(options.params_file, base=params)
    if options.days is not None:
        params = params.with_days(options.days)
    return TwinSource(params, options.seed, spool=options.spool)


def _open_folder(path: Path) -> Source:
    from sources.folder import FolderSource

    return FolderSource(path)


def _open_rossmann(path: Path) -> Source:
    from sources.adapters.rossmann import RossmannSource

    return RossmannSource(path)


def _open_online_retail(path: Path) -> Source:
    from sources.adapters.online_retail import OnlineRetailSource

    return OnlineRetailSource(path)


def _open_amazon_beauty(path: Path) -> Source:
    from sources.adapters.amazon_beauty import AmazonBeautySource

    return AmazonBeautySource(path)


def _open_lastfm(path: Path) -> Source:
    from sources.adapters.lastfm import LastfmSource

    return LastfmSource(path)


def _open_dunnhumby(path: Path) -> Source:
    from sources.adapters.dunnhumby import DunnhumbySource

    return DunnhumbySource(path)


def _open_ujiindoorloc(path: Path) -> Source:
    from sources.adapters.ujiindoorloc import UjiIndoorLocSource

    return UjiIndoorLocSource(path)
