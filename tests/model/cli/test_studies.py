"""Experiments, transfer and convergence on the command line, on real images."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import Result

from model.cli import studies
from tests.model.cli.commands import FAST, labelled_set, model, on, rank
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]


def test_an_experiment_keeps_to_the_number_of_classes_that_is_stated(
    shared_data: Path, tmp_path: Path
) -> None:
    """Three classes in the data, four stated:
    networks have four, results.json says so, and another number does not go on with it."""
    data = tmp_path / "data"
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
        for name in sorted(path.name for path in (shared_data / "axondeepseg_3class" / kind).iterdir())[:5]:
            shutil.copy(shared_data / "axondeepseg_3class" / kind / name, data / kind)
    names = sorted(path.name for path in (data / "images").iterdir())
    (data / "split.json").write_text(json.dumps({"pool": names[:4], "test": names[4:]}))
    given = ["--data", str(data), "--split", f"{data}/split.json", "--out", f"{tmp_path}/out"]
    arms = [
        *given,
        "--strategies",
        "random",
        "--experiments",
        "1",
        "--draws",
        "1",
        "--initial",
        "2",
        "--sizes",
        "3",
        *FAST,
    ]
    done = model("experiment", *arms, "--classes", "4")
    assert done.exit_code == 0, done.stderr
    assert "4 classes" in done.stderr
    assert re.search(r"of 3: .*random, draw 1, 3 images: dice 0\.\d+", done.stderr)
    assert json.loads((tmp_path / "out" / "results.json").read_text())["protocol"]["classes"] == 4
    again = model("experiment", *arms)
    assert again.exit_code == 2
    assert "classes" in again.stderr
    assert "--classes" in model("converge", "--help").output
    few = model(
        "converge", *given, "--sizes", "2", "--steps", "1", "--draws", "1", "--seeds", "1", "--classes", "2"
    )
    assert few.exit_code == 2
    assert "0/255, or class ids 0 to 1" in few.stderr


def test_what_was_made_of_the_masks_is_said_once_beside_the_results(
    shared_cases: Path, tmp_path: Path
) -> None:
    """In ranking, experiment, convergence and transfer; each has the options of the other reading."""
    source = shared_cases / "08-object-numbers"
    done = rank(source, "--out", f"{tmp_path}/ranking.csv", "--strategy", "random")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("(up to 5 in one)") == 1
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("8 images, 4 "))
    assert "2 classes" in line
    other = rank(
        source, "--out", f"{tmp_path}/ranking.csv", "--strategy", "random", "--mask-numbers", "classes"
    )
    assert "6 classes" in other.stderr
    (tmp_path / "split.json").write_text(
        json.dumps({"pool": ["c0.png", "c1.png", "c2.png"], "test": ["c3.png"]})
    )
    given = ["--data", str(source), "--split", f"{tmp_path}/split.json", *FAST[:-4]]
    small = {
        "transfer": ["--experiments", "1", "--initial", "1", "--budget", "1", *FAST[-4:]],
        "converge": ["--sizes", "1", "--steps", "2", "--draws", "1", "--seeds", "1"],
        "experiment": [
            "--experiments",
            "1",
            "--draws",
            "1",
            "--initial",
            "1",
            "--sizes",
            "2",
            "--strategies",
            "random",
            *FAST[-4:],
        ],
    }
    for command, options in small.items():
        done = model(command, *given, *options, "--out", f"{tmp_path}/{command}")
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count("read as one class") == 1
    again = model(command, *given, *options, "--out", f"{tmp_path}/{command}", "--invert-masks", "all")
    assert again.exit_code == 2
    assert "masks.inverted: found nothing" in again.stderr, "results of another reading do not go on"


def test_an_experiment_is_the_papers_unless_told_otherwise() -> None:
    """5 experiments of 3 initial images, training sets of 5, 7, 12, 15, 16, random averaged over 8 draws."""
    shown = " ".join(model("experiment", "--help").output.split())
    for option, default in {
        "experiments": "5",
        "initial": "3",
        "sizes": "5,7,12,15,16",
        "draws": "8",
    }.items():
        assert re.search(rf"--{option} ((?!--).)*\[default: {re.escape(default)}[;\]]", shown), option


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (option, "0")
        for option in (
            "--jobs",
            "--draws",
            "--repeats",
            "--experiments",
            "--candidates",
            "--width",
            "--steps",
            "--row-steps",
        )
    ]
    + [("--learning-rate", "0"), ("--learning-rate", "nan"), ("--weight-decay", "-1")]
    + [("--image-size", "31"), ("--crop", "31"), ("--batch", "1"), ("--depth", "6"), ("--classes", "1")],
)
def test_numbers_out_of_range_are_said(option: str, value: str) -> None:
    """By the option's name, before anything is read."""
    done = model("experiment", "--data", "d", "--split", "s", "--out", "o", option, value)
    assert done.exit_code == 2
    assert f"'{option}'" in done.output


def test_options_of_unets_are_refused_where_none_is_trained() -> None:
    """All at once, by their names; those that both learners have are taken."""
    paths = ["--data", "d", "--split", "s", "--out", "o", "--learner", "pixel", "--image-size", "96"]
    done = model("experiment", *paths, "--steps", "9", "--recipe", "paper", "--precision", "float32")
    said = " ".join(done.output.replace("│", " ").split())
    assert done.exit_code == 2
    assert "'--steps', '--recipe': " in said
    done = model("experiment", *paths, "--similarity", "unet")
    assert (done.exit_code, "trains no U-Nets" in done.stderr) == (2, True)


def test_transfer_resumes_and_refuses_other_data(
    experiment_data: Path, shared_data: Path, tmp_path: Path
) -> None:
    def transfer(data: Path) -> Result:
        options = ["--experiments", "1", "--initial", "2", "--budget", "1", *FAST]
        return model("transfer", *on(data), "--out", f"{tmp_path}/out", *options)

    done = transfer(experiment_data)
    assert done.exit_code == 0, done.output
    table = (tmp_path / "out" / "transfer.md").read_text()
    assert "25% of U" in table
    assert len(json.loads((tmp_path / "out" / "transfer.json").read_text())["rows"]) == 3
    assert transfer(experiment_data).exit_code == 0
    assert (tmp_path / "out" / "transfer.md").read_text() == table
    other = transfer(labelled_set(shared_data / "bbbc010", tmp_path / "other"))
    assert other.exit_code == 2
    assert "data" in other.stderr
    content = json.loads((tmp_path / "out" / "transfer.json").read_text())
    name = next(iter(content["rows"]))
    row = content["rows"][name]
    for wrong in (None, {}, {"d": row["d"]}, row | {"d": row["d"][1:]}, row | {"true": [-3.0] * 5}):
        content["rows"][name] = wrong
        (tmp_path / "out" / "transfer.json").write_text(json.dumps(content))
        broken = transfer(experiment_data)
        assert broken.exit_code == 2, broken.output
        assert "another folder as --out" in broken.stderr
    (tmp_path / "out" / "transfer.json").write_text("{")
    assert transfer(experiment_data).exit_code == 2


def test_a_command_that_is_stopped_says_how_it_goes_on(
    experiment_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the signal; that all processes of an experiment end with it is tested with these."""

    def stop(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(studies, "run_experiment", stop)
    done = model("experiment", *on(experiment_data), "--out", f"{tmp_path}/out", *FAST)
    assert done.exit_code == 128 + signal.SIGTERM
    assert done.stderr.splitlines()[-1].startswith("Stopped.")


def test_a_killed_experiment_goes_on_and_leaves_no_process(exported_data: Path, tmp_path: Path) -> None:
    """On a folder of exported masks, as it is."""
    given = [*on(exported_data), "--out", f"{tmp_path}/out", "--strategies", "random,task_dependent"]
    arms = ["--experiments", "1", "--initial", "2", "--sizes", "3,4", "--draws", "2", "--candidates", "1"]
    arguments = ["experiment", *given, *arms, *FAST]
    process = subprocess.Popen(
        [sys.executable, "-m", "model", *arguments, "--jobs", "2"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    results = tmp_path / "out" / "results.json"
    assert eventually(lambda: results.exists() and len(json.loads(results.read_text())["runs"]) >= 1, 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = json.loads(results.read_text())["runs"]
    assert eventually(lambda: not processes_of(process.pid), 120)
    done = model(*arguments)
    assert done.exit_code == 0, done.stderr
    after = {(r["strategy"], r["draw"], r["size"]): r for r in json.loads(results.read_text())["runs"]}
    assert len(after) == 2 + 2 * 2 + 2
    for run in before:
        assert after[run["strategy"], run["draw"], run["size"]] == run
    assert (tmp_path / "out" / "report.md").exists()


def processes_of(session: int) -> list[str]:
    """The numbers of the processes of a session."""
    found = subprocess.run(["pgrep", "-s", str(session)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_converge_prints_a_table(experiment_data: Path, tmp_path: Path) -> None:
    options = ["--sizes", "2", "--steps", "2,4", "--draws", "1", "--seeds", "2", *FAST[:8]]
    done = model("converge", *on(experiment_data), *options, "--out", str(tmp_path))
    assert done.exit_code == 0, done.stderr
    assert [line.split(" | ")[:2] for line in done.stdout.splitlines()[2:4]] == [["| 2", "2"], ["| 2", "4"]]
