"""What a folder says about itself in `source.yaml`: everything that its files cannot show."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sources.base import SourceError

SETTINGS_FILE = "source.yaml"


class FolderSettings(BaseModel):
    """Optional statements about the files of one folder; what is left out is inferred or takes the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frequency: Literal["daily", "weekly"] | None = Field(
        None, description="spacing of periods; inferred where not stated"
    )
    absent: Literal["zero", "closed", "missing"] | None = Field(
        None, description="what a period without a row means; by rule where not stated"
    )
    unit: str | None = Field(
        None, min_length=1, description="'units' or an ISO 4217 currency, for sales without a column unit"
    )
    keys: tuple[str, ...] | None = Field(
        None, description="key columns of sales; all columns that are not reserved by default"
    )
    ignore: tuple[str, ...] = Field((), description="columns to leave unread, in any table")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="of CSV files; read from the header by default"
    )
    decimal: Literal[".", ","] = Field(".", description="decimal mark of CSV values")
    date_format: str | None = Field(None, description="strptime format of CSV dates; ISO 8601 by default")
    encoding: Literal["utf-8", "latin-1", "utf-16"] = Field("utf-8", description="of CSV files")

    @classmethod
    def of(cls, folder: Path) -> "FolderSettings":
        """The settings of a folder, defaults where it has no `source.yaml`. Errors: SourceError naming the key."""
        import yaml

        path = folder / SETTINGS_FILE
        if not path.is_file():
            return cls()
        try:
            stated = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            return cls.model_validate(stated)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors())
            raise SourceError(f"{path}: {wrong}. It may state {', '.join(cls.model_fields)}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SourceError(f"{path}: not readable as YAML ({error}); mend or remove it") from error
