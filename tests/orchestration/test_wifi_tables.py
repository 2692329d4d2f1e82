"""A survey of access points comes through the gate into the lake."""

from collections.abc import Callable
from pathlib import Path

from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace

COLUMNS = "WAP001,WAP002,LONGITUDE,LATITUDE,FLOOR,BUILDINGID,SPACEID,RELATIVEPOSITION,USERID,PHONEID,TIMESTAMP\n"


def test_a_survey_lies_in_the_lake_once_its_contract_holds(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    scans = "".join(f"100,-{60 + n},-75{n}.5,48649{n}.25,2,1,106,2,77,23,{1371713733 + n}\n" for n in range(40))
    (tmp_path / "trainingData.csv").write_text(COLUMNS + scans)
    (tmp_path / "validationData.csv").write_text(COLUMNS + "-80,100,-7515.5,4864889.5,4,2,0,0,0,0,1380872703\n")
    settings = make_settings(source=f"ujiindoorloc:{tmp_path}")
    outcome = run(settings, "+clean/wifi_fingerprints")
    assert outcome.success, outcome.failures
    lake = Workspace(settings).lake
    heard = lake.arrow("clean", "wifi_fingerprints").to_pylist()
    assert len(heard) == 41 and {row["rssi_dbm"] for row in heard} == {-80.0, *(-60.0 - n for n in range(40))}
    assert lake.arrow("clean", "wifi_scans")["split"].to_pylist().count("test") == 1
