"""Kills runs at random moments until they have ended, and compares what they left.

`make kills` runs each command once undisturbed, and then again and again with kills
in between, until so many were sent. Half of them come at a random time, the others as
soon as a random number of files has newly appeared, half-written ones too. Each run
must end, without a traceback, with the same models, files and quality records as the
undisturbed one. The same call goes on where it was stopped.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from kills.chains import Chain, make_chains, results_of

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
KILLS_OF_A_RUN = 8
_PATIENCE_SECONDS = 900


def started(chain: Chain, out: Path, log: Path) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, so that its workers die with it."""
    command = Path(sys.executable).with_name("segshrink")
    environment = os.environ | {
        # Sums of several threads are not the same to the last bit each time.
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "NO_COLOR": "1",
    }
    with log.open("ab") as file:
        return subprocess.Popen(
            [command, *chain.command, "--out", out],
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=environment,
            start_new_session=True,
            # Shells let what they run in the background ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def files_in(folder: Path) -> set[str]:
    """Names of all files, those that are being written too."""
    return {str(Path(at) / name) for at, _, names in os.walk(folder) for name in names}


def disturbed(
    process: subprocess.Popen[bytes], out: Path, seconds: float, dice: random.Random
) -> str | None:
    """Send one signal at a random moment; its name, or None if the run had ended."""
    number = dice.choice(SIGNALS)
    before, began = files_in(out), time.monotonic()
    by_files, wait = dice.random() < 0.5, dice.uniform(0, seconds)
    # Imports and the opening of the data come before the first file.
    count = dice.randint(1, 12)
    while process.poll() is None:
        passed = time.monotonic() - began
        if by_files and len(files_in(out) - before) >= count:
            break
        if passed > (2 * seconds if by_files else wait):
            break
        time.sleep(0.002)
    if process.poll() is not None:
        return None
    # A SIGKILL from outside takes the workers too, as a power cut does.
    if number == signal.SIGKILL:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait(timeout=_PATIENCE_SECONDS)
    return number.name


def killed_run(
    chain: Chain, out: Path, log: Path, seconds: float, dice: random.Random, most: int
) -> list[str]:
    """Run the command until it ends by itself, with at most so many kills."""
    sent: list[str] = []
    while True:
        process = started(chain, out, log)
        if len(sent) < most:
            name = disturbed(process, out, seconds, dice)
        else:
            process.wait(timeout=_PATIENCE_SECONDS)
            name = None
        if name is None:
            if process.returncode != 0:
                raise SystemExit(f"{log} ends with exit code {process.returncode}.")
            return sent
        sent.append(name)


def undisturbed_run(chain: Chain, work: Path) -> tuple[dict[str, object], float]:
    """Results and seconds of the command when nothing disturbs it."""
    out, done = work / "undisturbed", work / "undisturbed.json"
    if not done.is_file():
        shutil.rmtree(out, ignore_errors=True)
        began = time.monotonic()
        killed_run(chain, out, work / "undisturbed.log", 0.0, random.Random(0), 0)
        done.write_text(json.dumps(time.monotonic() - began))
    return results_of(chain, out), json.loads(done.read_text())


def one_run(name: str, chain: Chain, work: Path, number: int, most: int) -> dict:
    """The outcome of one run that is killed up to `most` times."""
    folder = work / name
    folder.mkdir(exist_ok=True)
    expected, seconds = undisturbed_run(chain, folder)
    out, log = folder / f"killed-{number}", folder / f"killed-{number}.log"
    shutil.rmtree(out, ignore_errors=True)
    log.unlink(missing_ok=True)
    began, dice = time.monotonic(), random.Random(f"{name} {number}")
    sent = killed_run(chain, out, log, seconds, dice, most)
    if not sent:
        # The machine has less to do than it had: later kills come as much earlier.
        passed = min(seconds, time.monotonic() - began)
        (folder / "undisturbed.json").write_text(json.dumps(passed))
    found = results_of(chain, out)
    different = [x for x in expected | found if expected.get(x) != found.get(x)]
    outcome = {
        "command": name,
        "number": number,
        "kills": sent,
        "different": different,
        "tracebacks": log.read_text(errors="replace").count("Traceback"),
    }
    if not different:
        shutil.rmtree(out)
    return outcome


def kill_runs(kills: int, work: Path, most: int = KILLS_OF_A_RUN) -> list[dict]:
    """Outcomes of runs of all commands in turn, until so many kills were sent."""
    log = work / "outcomes.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    found = [json.loads(line) for line in lines]
    chains = make_chains(work)
    while sum(len(x["kills"]) for x in found) < kills:
        number, place = divmod(len(found), len(chains))
        name = list(chains)[place]
        left = kills - sum(len(x["kills"]) for x in found)
        found.append(one_run(name, chains[name], work, number, min(most, left)))
        with log.open("a") as file:
            file.write(json.dumps(found[-1]) + "\n")
        print(found[-1], flush=True)
    return found


def table_of(found: list[dict]) -> str:
    """A row of each command: runs, kills by signal, and what went wrong."""
    heads = ["command", "runs", *(each.name for each in SIGNALS), "other results"]
    lines = [[*heads, "tracebacks"], ["---", *["---:"] * (len(heads))]]
    for name in sorted({x["command"] for x in found}):
        own = [x for x in found if x["command"] == name]
        sent = Counter(kill for x in own for kill in x["kills"])
        lines.append(
            [
                f"`{name}`",
                str(len(own)),
                *(str(sent[each.name]) for each in SIGNALS),
                str(sum(bool(x["different"]) for x in own)),
                str(sum(x["tracebacks"] for x in own)),
            ]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def main() -> int:
    """Kill runs; the exit code is 1 if one ended otherwise than undisturbed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    found = kill_runs(options.kills, options.work.resolve())
    print(table_of(found))
    if options.record is not None:
        options.record.write_text(json.dumps(found, indent=1) + "\n")
        options.record.with_suffix(".md").write_text(table_of(found))
    return int(any(x["different"] or x["tracebacks"] for x in found))


if __name__ == "__main__":
    sys.exit(main())
