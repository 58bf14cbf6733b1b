"""`unison doctor`: is this installation able to run, and what is missing for what."""

import typer

from unison_cli import options
from unison_cli.output import Output


def doctor(json: options.Json = False, debug: options.Debug = False) -> None:
    """Check whether this installation can run.

    Looks at versions, ffmpeg, precision, devices and optional parts; exit code 1 if something needed is broken.
    """
    from unison_core.pipelines.doctor import examine

    output = Output(json=json)
    findings = examine()
    marks = {"ok": "ok     ", "missing": "missing", "broken": "BROKEN "}
    for finding in findings:
        output.result(finding.to_mapping(), f"{marks[finding.state]}  {finding.name}: {finding.text}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)
