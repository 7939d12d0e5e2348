import json
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import everband, os, time
for request in everband.requests():
    print('{"epoch": 99} printed')
    os.system("echo from a child")
    state = int(request.checkpoint.read_text()) if request.checkpoint else 0
    for epoch in request.epochs():
        state += epoch
        loss = float("nan") if epoch == request.config.get("nan_at") else state
        if request.config.get("slow"):
            # An epoch that has not ended when it is told to stop.
            request.report(loss=loss)
            until = time.monotonic() + 30
            while not request.stopping and time.monotonic() < until:
                time.sleep(0.01)
            print("finished", flush=True)
        elif request.config.get("forget"):
            pass
        else:
            request.report(loss=loss, checkpoint=lambda path: path.write_text(str(state)))
"""


class Trainer:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )

    def ask(self, config: dict, start: int = 0, to: int = 2, checkpoint: "Path | None" = None) -> None:
        request = {
            **{"everband": 1, "study": "s", "trial": "t", "config": config, "seed": 1, "metric": "loss"},
            **{"from": start, "to": to, "checkpoint": checkpoint and str(checkpoint), "checkpointDir": str(self.folder)},
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def line(self) -> dict:
        return json.loads(self.process.stdout.readline())


def test_trains_request_after_request_and_keeps_prints_out(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path)
    trainer.ask({})
    assert trainer.line() == {"epoch": 1, "loss": 1.0, "checkpoint": "epoch-1"}
    assert trainer.line() == {"epoch": 2, "loss": 3.0, "checkpoint": "epoch-2"}
    assert trainer.line() == {"ready": True}
    trainer.ask({}, start=2, to=3, checkpoint=tmp_path / "epoch-2")
    assert trainer.line() == {"epoch": 3, "loss": 6.0, "checkpoint": "epoch-3"}
    assert trainer.line() == {"ready": True}
    _, err = trainer.process.communicate()
    assert trainer.process.returncode == 0
    assert "printed" in err and "from a child" in err


def test_a_divergence_ends_the_epochs(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path)
    trainer.ask({"nan_at": 1}, to=5)
    assert trainer.process.stdout.readline() == '{"epoch": 1, "loss": NaN}\n'
    assert trainer.line() == {"ready": True}
    trainer.process.communicate()


def test_sigterm_finishes_the_epoch(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path)
    trainer.ask({"slow": True}, to=2)
    trainer.line()
    trainer.process.send_signal(signal.SIGTERM)
    out, err = trainer.process.communicate(timeout=60)
    assert trainer.process.returncode == 0
    assert out == "" and err.count("finished") == 1


def test_sigterm_ends_a_waiting_trainer(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path)
    trainer.ask({})
    for _ in range(3):
        trainer.line()
    trainer.process.send_signal(signal.SIGTERM)
    assert trainer.process.wait(timeout=30) == 0
    trainer.process.communicate()


def test_an_epoch_without_a_report_is_an_error(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path)
    trainer.ask({"forget": True})
    _, err = trainer.process.communicate(timeout=30)
    assert trainer.process.returncode != 0
    assert "epoch 1 ended without request.report(loss=...)" in err
