"""vsr jobs: what is on record of an archive, or of a film that was interrupted"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vsr.pipeline.store import Job

jobs = typer.Typer(
    name="jobs",
    rich_markup_mode=None,
    no_args_is_help=True,
    help="What is on record of an archive: look at it, try again, cancel, clean up.",
)

Out = Annotated[
    str, typer.Argument(help="The folder that vsr remaster writes to, or an interrupted output.")
]
Films = Annotated[list[str], typer.Argument(help="Outputs, as vsr jobs list names them.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@jobs.command("list")
def list_jobs(out: Out, as_json: AsJson = False) -> None:
    """List all films: state, frames done of those expected, tries, error."""
    from vsr.remaster.jobs import opened, summaries

    with opened(out, read_only=True) as store:
        found = summaries(store)
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=1))
        return
    for each in found:
        total = each.frames if each.frames is not None else "?"
        tries = f", {each.tries} tries" if each.tries > 1 else ""
        error = f": {each.error}" if each.error else ""
        print(f"{each.state:9}  {each.done:>7}/{total:<7}  {each.output}{tries}{error}")


@jobs.command()
def show(out: Out, film: Annotated[str, typer.Argument()] = "", as_json: AsJson = False) -> None:
    """Show one film with its chunks and every attempt at one."""
    from vsr.remaster.jobs import details, opened

    with opened(out, read_only=True) as store:
        found = details(store, film)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    chunks, attempts = found.pop("chunks"), found.pop("attempts")
    for name, value in found.items():
        if value not in (None, [], {}):
            words = [f"{k} = {v}" for k, v in value.items()] if isinstance(value, dict) else value
            shown = "\n    ".join(words) if isinstance(words, list) else words
            print(f"{name}: {shown}")
    for chunk in chunks:
        print(f"chunk of frames {chunk['start']} to {chunk['end'] - 1}: {chunk['size']} bytes")
    for attempt in attempts:
        begun = datetime.fromtimestamp(attempt["begun"]).isoformat(" ", "seconds")
        took = "" if attempt["ended"] is None else f", {attempt['ended'] - attempt['begun']:.1f} s"
        end = attempt["error"] or ("not ended" if attempt["ended"] is None else "done")
        print(f"attempt at frame {attempt['start']}, {begun}, {attempt['worker']}{took}: {end}")


@jobs.command()
def retry(
    out: Out, films: Annotated[list[str] | None, typer.Argument(help="[all that failed]")] = None
) -> None:
    """Let the next run try failed or cancelled films again, as if they were untried."""
    from vsr.remaster.jobs import opened
    from vsr.remaster.jobs import retry as run

    with opened(out) as store:
        report("to be done again", run(store, films or []))


@jobs.command()
def cancel(out: Out, films: Films) -> None:
    """Let films not be done any more; a running vsr leaves them after the running chunk."""
    from vsr.remaster.jobs import cancel as run
    from vsr.remaster.jobs import opened

    with opened(out) as store:
        report("cancelled", run(store, films))


@jobs.command()
def clean(out: Out) -> None:
    """Remove what was kept of films that are done or cancelled. That they are done stays known."""
    from vsr.remaster.jobs import clean as run
    from vsr.remaster.jobs import opened

    with opened(out) as store:
        names = run(store)
    for name in names:
        print(f"cleaned: {name}")
    print(f"{len(names)} films")


def report(what: str, changed: list[Job]) -> None:
    for job in changed:
        print(f"{what}: {job.output}")
    print(f"{len(changed)} films")
