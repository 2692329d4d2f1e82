"""`storeloop ledger`: heads, receipts that are checked with nothing but the public key, audits, and time stamps."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest
from ledger_case import KEY, ORIGIN, STRANGER, bills, opened, public_pem
from typer.testing import CliRunner

from models.common.keys import KeyFileError, generate_keys
from serving.settlement.entries import Entry
from serving.settlement.ledger_cli import build_ledger_app
from serving.settlement.ledger_settings import FOLDER, PRIVATE, LedgerSettings, open_ledger
from serving.settlement.notes import open_head
from serving.settlement.stamps import StampError, check_stamp, read_roots

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Storeloop's home with a ledger of 250 bills in it."""
    monkeypatch.setenv("STORELOOP_LEDGER_ORIGIN", ORIGIN)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "home"
    ledger = opened(folder / FOLDER / "ledger.sqlite")
    for first in range(0, 250, 50):
        ledger.append(bills(first, first + 50))
    public_pem(folder / FOLDER / "public.pem")
    return folder


def asked(home: Path, *words: str, code: int = 0) -> dict[str, object]:
    """What a command says in JSON."""
    done = CliRunner().invoke(build_ledger_app(lambda: home), [*words, "--json"])
    assert done.exit_code == code, done.output
    told: dict[str, object] = json.loads(done.stdout)
    return told


def forge(home: Path, statement: str) -> None:
    """Change the file, its own guards off."""
    connection = sqlite3.connect(home / FOLDER / "ledger.sqlite")
    for guard in ("entries_stay", "entries_remain", "heads_stay", "heads_remain"):
        connection.execute(f"DROP TRIGGER {guard}")
    connection.executescript(statement)
    connection.close()


def test_head_shows_and_keeps_the_newest(home: Path) -> None:
    told = asked(home, "head", "--out", "kept.head")
    assert (told["ledger"], told["size"]) == (ORIGIN, 250)
    note = Path("kept.head").read_text(encoding="utf-8")
    assert told["note"] == note and open_head(note, KEY.public_key(), ORIGIN).root.hex() == told["root"]
    forge(home, "DELETE FROM heads; DELETE FROM entries")
    assert "is empty" in str(asked(home, "head", code=2)["error"])


def test_a_receipt_is_verified_where_there_is_nothing_but_the_public_key(home: Path, tmp_path: Path) -> None:
    """In a process that may open no socket, in a folder with no ledger: as JSON, and as a scanner reads the code."""
    assert asked(home, "prove", "bill-77", "--out", "receipt.json", "--qr", "receipt.png")["number"] == 78
    assert asked(home, "prove", "78", "--out", "same.json")["entry"] == "bill-77"
    scanned, *_ = cv2.QRCodeDetector().detectAndDecode(cv2.imread("receipt.png"))
    away = tmp_path / "away"
    away.mkdir()
    (away / "code.txt").write_text(f"{scanned}\n")
    shutil.copy("receipt.json", away)
    public_pem(away / "public.pem")
    shutil.rmtree(home)
    program = (
        "import sys\n"
        "def trap(event, told):\n"
        "    if event.startswith('socket.'):\n"
        "        raise SystemExit(f'{event} {told}')\n"
        "sys.addaudithook(trap)\n"
        "from orchestration.cli import main\n"
        "main()"
    )

    def verify(file: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, "ledger", "verify", file, "--key", "public.pem", "--json"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=away, env=environment, capture_output=True, text=True, timeout=60)

    for file in ("receipt.json", "code.txt"):
        done = verify(file)
        told = json.loads(done.stdout)
        assert (done.returncode, told["verified"], told["entry"], told["number"]) == (0, True, "bill-77", 78), (
            done.stderr
        )
        assert told["head"]["size"] == 250
    changed = (away / "receipt.json").read_text().replace('"cents": 199', '"cents": 99')
    (away / "receipt.json").write_text(changed)
    done = verify("receipt.json")
    assert done.returncode == 1 and "is not in this ledger" in json.loads(done.stdout)["error"]
    assert sorted(each.name for each in away.iterdir()) == ["code.txt", "public.pem", "receipt.json"]


def test_verify_trusts_the_keys_it_is_given_and_no_other(home: Path) -> None:
    asked(home, "prove", "bill-0", "--out", "receipt.json")
    public_pem(Path("stranger.pem"), STRANGER)
    told = asked(home, "verify", "receipt.json", "--key", "stranger.pem", code=1)
    assert "nobody holding a trusted key" in str(told["error"])
    public = str(home / FOLDER / "public.pem")
    assert asked(home, "verify", "receipt.json", "--key", "stranger.pem", "--key", f"{public}:1-250")["verified"]
    told = asked(home, "verify", "receipt.json", "--key", f"{public}:1-249", code=1)
    assert "it is not to be trusted" in str(told["error"])
    assert "'shop-2' is asked" in str(asked(home, "verify", "receipt.json", "--ledger", "shop-2", code=1)["error"])
    assert "cannot be read" in str(asked(home, "verify", "receipt.json", "--key", "none.pem", code=2)["error"])
    assert "no entry 'bill-x'" in str(asked(home, "prove", "bill-x", "--out", "r.json", code=2)["error"])


def test_audit_says_what_is_wrong_and_leaves_the_file_alone(home: Path) -> None:
    clean = asked(home, "audit")
    assert (clean["clean"], clean["entries"], clean["heads"]) == (True, 250, 5)
    forge(home, "UPDATE entries SET content = CAST(replace(content, '199', '198') AS BLOB) WHERE number = 120")
    before = (home / FOLDER / "ledger.sqlite").read_bytes()
    told = asked(home, "audit", code=1)
    assert told["clean"] is False and (home / FOLDER / "ledger.sqlite").read_bytes() == before
    for problem in (
        "entry 120 has another hash",
        "the first 150 entries are not those of the head signed",
    ):
        assert any(str(each).startswith(problem) for each in told["problems"])
    shown = CliRunner().invoke(build_ledger_app(lambda: home), ["audit"])
    assert shown.exit_code == 1 and "entry 120 has another hash" in shown.stdout
    missing = asked(home, "audit", "--store", "none.sqlite", code=2)
    assert "is no ledger" in str(missing["error"]) and not Path("none.sqlite").exists()


def test_a_kept_head_or_receipt_finds_what_was_cut_off(home: Path) -> None:
    asked(home, "head", "--out", "kept.head")
    asked(home, "prove", "bill-1", "--out", "receipt.json")
    assert asked(home, "audit", "--since", "kept.head", "--since", "receipt.json")["kept_heads"] == 2
    forge(home, "DELETE FROM entries WHERE number > 200; DELETE FROM heads WHERE size > 200")
    assert asked(home, "audit")["clean"]
    for kept in ("kept.head", "receipt.json"):
        told = asked(home, "audit", "--since", kept, code=1)
        assert "a head of 250 entries, kept elsewhere" in str(told["problems"])


def test_a_first_ledger_gets_a_key_that_nobody_else_may_read(tmp_path: Path) -> None:
    settings = LedgerSettings()
    assert open_ledger(settings, tmp_path).append([Entry("bill-1", "bill", {})]) == [1]
    private = tmp_path / FOLDER / PRIVATE
    assert private.stat().st_mode & 0o777 == 0o600
    assert open_ledger(settings, tmp_path).append([Entry("bill-2", "bill", {})]) == [2]
    assert asked(tmp_path, "audit", "--ledger", settings.origin)["clean"]
    private.chmod(0o640)
    with pytest.raises(KeyFileError, match="mode 0640"):
        open_ledger(settings, tmp_path)
    private.unlink()
    with pytest.raises(KeyFileError, match="cannot be read"):  # no new key under an old ledger
        open_ledger(settings, tmp_path)


def test_a_key_is_retired_by_naming_its_range(tmp_path: Path) -> None:
    open_ledger(LedgerSettings(), tmp_path).append([Entry("bill-1", "bill", {})])
    old, new = tmp_path / FOLDER / "public.pem", tmp_path / "new.pem"
    generate_keys(tmp_path / "new-private.pem", new)
    settings = LedgerSettings(key=tmp_path / "new-private.pem", keys=f"{old}:1-1, {new}:2-")
    assert open_ledger(settings, tmp_path).append([Entry("bill-2", "bill", {})]) == [2]
    both = ["--key", f"{old}:1-1", "--key", f"{new}:2-", "--ledger", settings.origin]
    assert asked(tmp_path, "audit", *both)["heads"] == 2
    assert "the head filed under 2" in str(asked(tmp_path, "audit", *both[:2], *both[4:], code=1)["problems"])
    told = asked(tmp_path, "audit", "--key", f"{old}:3-2", code=2)
    assert "FIRST to LAST" in str(told["error"])


class Authority:
    """A time-stamping authority of our own: `openssl ts` behind a loopback port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root.pem"
        folder.mkdir()
        (folder / "ts.cnf").write_text(
            f"[tsa]\ndefault_tsa = t\n[t]\nserial = {folder}/serial\nsigner_cert = {folder}/tsa.pem\nsigner_key = {folder}/tsa.key\n"
            "signer_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256\ness_cert_id_alg = sha256\n"
            "[stamps]\nextendedKeyUsage = critical,timeStamping\n"
        )
        (folder / "serial").write_text("01")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=root", "-days", "2", out=self.root)
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tsa", out=folder / "tsa.csr")
        (folder / "privkey.pem").rename(folder / "tsa.key")
        self._openssl(
            *("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "2"),
            *("-extfile", "ts.cnf", "-extensions", "stamps", "-set_serial", "2"),
            out=folder / "tsa.pem",
        )

    def answer(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        self._openssl("ts", "-reply", "-config", "ts.cnf", "-queryfile", "query", out=self.folder / "reply")
        return (self.folder / "reply").read_bytes()

    def _openssl(self, *words: str, out: Path) -> None:
        subprocess.run(["openssl", *words, "-out", out], cwd=self.folder, check=True, capture_output=True)
        if out == self.root:
            (self.folder / "privkey.pem").rename(self.folder / "root.key")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def address(authority: Authority) -> Iterator[str]:
    """Where it answers, at `/`; elsewhere it does what none should."""
    bad = {"/garbage": b"0", "/long": bytes(1 << 20)}

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/slow":
                time.sleep(2)
            self.send_response(404 if self.path == "/gone" else 200)
            self.end_headers()
            self.wfile.write(bad.get(self.path) or authority.answer(query))

        def log_message(self, *told: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.services
def test_a_head_is_stamped_and_openssl_agrees(
    home: Path, authority: Authority, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "STORELOOP_LEDGER_TSA" in str(asked(home, "head", "--out", "a.head", "--stamp", code=2)["error"])
    monkeypatch.setenv("STORELOOP_LEDGER_TSA", f"{address}/")
    monkeypatch.setenv("STORELOOP_LEDGER_TSA_ROOT", str(authority.root))
    told = asked(home, "head", "--out", "a.head", "--stamp")
    stamped = datetime.fromisoformat(str(told["stamped"]))
    assert abs(stamped - datetime.now(UTC)) < timedelta(minutes=1)
    command = ["openssl", "ts", "-verify", "-data", "a.head", "-in", "a.head.tsr", "-CAfile", authority.root]
    assert "Verification: OK" in subprocess.run(command, capture_output=True, text=True).stdout
    note, answer = Path("a.head").read_text(encoding="utf-8"), Path("a.head.tsr").read_bytes()
    assert check_stamp(note, answer, read_roots(authority.root)) == stamped
    with pytest.raises(StampError, match="on this head"):
        check_stamp(note.replace("250", "251"), answer, read_roots(authority.root))
    other = Authority(tmp_path / "other")
    with pytest.raises(StampError, match="not one of these authorities"):
        check_stamp(note, answer, read_roots(other.root))
    monkeypatch.setenv("STORELOOP_LEDGER_TSA_TIMEOUT_S", "1")
    for path, problem in [
        ("/garbage", "not one of these"),
        ("/long", "over 65,536 bytes"),
        ("/gone", "404"),
        ("/slow", "no stamp within 1 s"),
    ]:
        monkeypatch.setenv("STORELOOP_LEDGER_TSA", f"{address}{path}")
        assert problem in str(asked(home, "head", "--out", "b.head", "--stamp", code=2)["error"])
        assert not Path("b.head.tsr").exists()
