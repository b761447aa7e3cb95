"""``streamer doctor``: looks the installation over and says what is to be done."""

import asyncio
from dataclasses import asdict
from pathlib import Path

import click

from streamer.app.doctor.examination import examination
from streamer.app.doctor.finding import Verdict
from streamer.cli.options import read_settings, settings_options
from streamer.cli.output import show_json, show_table


@click.command()
@settings_options
@click.option("--network", is_flag=True, help="Ask the exchanges for their time too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def doctor(config: Path | None, *, network: bool, as_json: bool, **flags: object) -> int:
    """Look the database over: what is well, what is not, and the cure.

    Nothing is changed. The exit code is 1 when a check fails; warnings are none.
    """
    findings = asyncio.run(examination(read_settings(config, **flags), network=network))
    healthy = all(one.verdict is not Verdict.FAIL for one in findings)
    if as_json:
        show_json({"healthy": healthy, "checks": [asdict(one) for one in findings]})
    else:
        rows = [(one.check, one.verdict.value, one.sentence, one.cure) for one in findings]
        show_table(("check", "verdict", "what was found", "cure"), rows)
    return 0 if healthy else 1
