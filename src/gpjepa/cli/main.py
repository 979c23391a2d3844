"""The entry point: builds the command, runs it, and turns errors into exit codes."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

import typer

from gpjepa.cli import (
    benchmark,
    check,
    data,
    demo,
    doctor,
    embed,
    evaluate,
    info,
    interactions,
    plan,
    predict,
    pretrain,
    report,
    simulate,
    train,
)
from gpjepa.cli.expand import expand
from gpjepa.cli.output import print_json
from gpjepa.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    GPJEPAError,
    VocabularyError,
)
from gpjepa.core.ranks import started_by

TOGETHER = ("pretrain", "train", "embed", "predict", "plan")  # verbs that several processes share
FAILED, USAGE, BAD_DATA, BAD_MODEL, INTERRUPTED = 1, 2, 3, 4, 130


def build() -> typer.Typer:
    """Return the command with all its verbs."""
    app = typer.Typer(
        name="gpjepa",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Generative models of single-cell perturbation response.",
    )
    app.callback()(_root)
    verbs: tuple[Callable[..., None], ...] = (
        demo.demo,
        check.check,
        simulate.simulate,
        pretrain.pretrain,
        train.train,
        embed.embed,
        predict.predict,
        evaluate.evaluate,
        interactions.interactions,
        plan.plan,
        report.report,
        benchmark.benchmark,
        info.info,
        doctor.doctor,
    )
    app.add_typer(data.build(), name="data")
    for verb in verbs:
        app.command(verb.__name__)(expand(verb))
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"gpjepa {version('gpjepa')}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Generative models of single-cell perturbation response."""
    starter, ranks = started_by()
    if ranks.size > 1 and context.invoked_subcommand not in TOGETHER:
        raise ConfigError(
            f"{starter} started {ranks.size} processes of {context.invoked_subcommand!r}, which "
            f"runs in one; expected one of {', '.join(TOGETHER)}; call gpjepa without {starter}"
        )


def exit_code(error: BaseException) -> int:
    """Return the exit code that stands for an error."""
    match error:
        case KeyboardInterrupt() | typer.Abort():
            return INTERRUPTED
        case ConfigError():
            return USAGE
        case DataError():
            return BAD_DATA
        case CheckpointError() | VocabularyError():
            return BAD_MODEL
        case _ if _usage_message(error) is not None:
            return USAGE
        case _:
            return FAILED


def run(arguments: Sequence[str]) -> int:
    """Run the command with `arguments` and return its exit code; errors are printed."""
    debug = os.environ.get("GPJEPA_DEBUG") == "1"
    if not debug:
        warnings.simplefilter("ignore")
        if started_by()[1].size > 1:  # read when torch is loaded: each process would warn
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        result = build()(
            args=list(arguments) or ["--help"], prog_name="gpjepa", standalone_mode=False
        )
        if result == INTERRUPTED:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        _print_error(error, as_json="--json" in arguments)
        return exit_code(error)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def _usage_message(error: BaseException) -> str | None:
    """Return the message of an error of the command line's parser; None for other errors."""
    word = getattr(error, "format_message", None)
    return str(word()) if callable(word) else None


def _message(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted"
    if isinstance(error, GPJEPAError):
        return str(error)
    usage = _usage_message(error)
    if usage is not None:
        return usage
    return f"{type(error).__name__}: {error} (GPJEPA_DEBUG=1 shows where)"


def _print_error(error: BaseException, as_json: bool) -> None:
    message = " ".join(_message(error).split())
    _, ranks = started_by()
    who = f"process {ranks.rank}: " if ranks.size > 1 else ""
    print(f"error: {who}{message}", file=sys.stderr, flush=True)
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": message}})
