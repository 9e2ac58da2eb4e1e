"""`dashboard`: the web pages, and beside them the process that reads recordings for them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from dashboards.options import DashboardOptions, Keyed
from dashboards.server import serve
from stream_rrvae.commands.children import Child
from stream_rrvae.commands.kept_child import KeptChild
from stream_rrvae.errors import ConfigError
from stream_rrvae.log import LogFormat, set_up
from stream_rrvae.operations.systemd import Systemd
from stream_rrvae.private_folder import private_folder
from stream_rrvae.security import make_key


@dataclass(frozen=True, slots=True)
class RecordingsChoice:
    """Where recordings are, where results of new analyses go (beside them, if not said), and models to choose from."""

    folder: Path | None = None
    results: Path | None = None
    checkpoints: Path | None = None


def run_dashboard(options: DashboardOptions, choice: RecordingsChoice, log_format: LogFormat = "auto") -> None:
    """Serve until stopped. Raises StreamRrvaeError before it begins."""
    set_up(log_format=log_format)
    systemd = Systemd()  # before there are children, who would be told of it
    if choice.folder is None:
        serve(options, systemd)
        return
    if not choice.folder.is_dir():
        raise ConfigError(f"--recordings {choice.folder} is no folder")
    options.checked()  # before anything is started for it
    with ExitStack() as stack:
        private = stack.enter_context(private_folder("recordings"))
        at = Keyed(f"ipc://{private}/requests", private / "key")
        make_key(at.key)
        stack.enter_context(KeptChild(lambda: _recordings(choice, at)))
        serve(replace(options, recordings=at), systemd)


def _recordings(choice: RecordingsChoice, at: Keyed) -> Child:
    folders = [("--results", choice.results), ("--checkpoints", choice.checkpoints)]
    more = [word for name, folder in folders if folder is not None for word in (name, str(folder))]
    asked = ("--folder", str(choice.folder), "--requests", at.url, "--requests-key", str(at.key))
    child = Child("recordings", "stream_rrvae", "recordings", *asked, *more)
    try:
        child.line_with("answering")
    except BaseException:
        child.stop()
        raise
    return child
