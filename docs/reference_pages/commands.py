"""The reference of the command line, read from the Typer app."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from reference_pages.tables import code, table

_VALUES: dict[object, str] = {int: "N", float: "X", str: "TEXT"}


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command."""

    names: tuple[str, ...]
    """All spellings of an option, the long one first; the metavariable of an argument."""
    is_option: bool
    value: str
    """What follows the option: a metavariable or the choices; empty for a flag."""
    default: str
    """Default as shown to the user; empty if there is none."""
    required: bool
    repeatable: bool
    help: str


@dataclass(frozen=True)
class Command:
    """A command and its parameters."""

    name: str
    """As typed after ``cpabmm``, for example ``preprocess vox``."""
    help: str
    parameters: tuple[Parameter, ...]


def commands_of(app: typer.Typer, prefix: str = "") -> Iterator[Command]:
    """Return all commands of an app, including those of its sub-apps."""
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        text = command.help or inspect.getdoc(command.callback) or ""
        yield Command(f"{prefix}{name}", text, parameters_of(command.callback))
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands_of(group.typer_instance, f"{prefix}{group.name} ")


def parameters_of(callback: Callable[..., object]) -> tuple[Parameter, ...]:
    """Return the arguments and options of a command, in the order of its signature."""
    hints = get_type_hints(callback, include_extras=True)
    signature = inspect.signature(callback)
    found = (_parameter(each, hints[each.name]) for each in signature.parameters.values())
    return tuple(each for each in found if each is not None)


def command_page(command: Command) -> str:
    """Return the reference page of one command, as Markdown."""
    arguments = [each for each in command.parameters if not each.is_option]
    options = [each for each in command.parameters if each.is_option]
    usage = " ".join(
        ["cpabmm", command.name, *map(_in_usage, arguments), *(["[OPTIONS]"] if options else [])]
    )
    parts = [f"# cpabmm {command.name}", command.help, f"```text\n{usage}\n```"]
    if arguments:
        rows = [(code(each.names[0]), _details(each)) for each in arguments]
        parts += ["## Arguments", table(["argument", "meaning"], rows)]
    if options:
        rows_ = [(_spelling(each), _details(each), _default(each)) for each in options]
        parts += ["## Options", table(["option", "meaning", "default"], rows_)]
    parts.append(
        "The [conventions of the command line](../../cli.md) and the "
        "[exit codes](../exit-codes.md) apply to every command."
    )
    return "\n\n".join(parts) + "\n"


def commands_index(commands: list[Command], shared: tuple[Parameter, ...]) -> str:
    """Return the overview of all commands, as Markdown."""
    rows = [
        (f"[`cpabmm {each.name}`](commands/{file_name(each)})", each.help.partition("\n\n")[0])
        for each in commands
    ]
    before = [(_spelling(each), _details(each)) for each in shared]
    return "\n\n".join(
        [
            "# Command reference",
            "This reference is generated from the program itself. `cpabmm COMMAND --help` prints "
            "the same text. The [guide to the command line](../cli.md) explains what all commands "
            "have in common.",
            table(["command", "purpose"], rows),
            "## Options before the command",
            table(["option", "meaning"], before),
        ]
    )


def file_name(command: Command) -> str:
    """Return the name of a command's page."""
    return command.name.replace(" ", "-") + ".md"


def _parameter(parameter: inspect.Parameter, hint: object) -> Parameter | None:
    kind, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    info = next((each for each in metadata if isinstance(each, OptionInfo | ArgumentInfo)), None)
    if info is None or info.hidden:
        return None
    inner = _without_none(kind)
    is_option, is_flag = isinstance(info, OptionInfo), inner is bool
    default = parameter.default
    return Parameter(
        names=_names(parameter.name, info, is_flag=is_flag),
        is_option=is_option,
        value="" if is_flag or not is_option else _value(inner, info),
        default=_default_text(default, info, is_flag=is_flag),
        required=default is inspect.Parameter.empty,
        repeatable=get_origin(inner) is list,
        help=_sentence(info.help or ""),
    )


def _names(name: str, info: OptionInfo | ArgumentInfo, *, is_flag: bool) -> tuple[str, ...]:
    if isinstance(info, ArgumentInfo):
        return (info.metavar or name.upper(),)
    # In `Annotated`, Typer takes the first spelling for the default of the parameter.
    first = [info.default] if isinstance(info.default, str) else []
    if declared := (*first, *(info.param_decls or ())):
        return declared
    dashed = name.replace("_", "-")
    return (f"--{dashed}", f"--no-{dashed}") if is_flag else (f"--{dashed}",)


def _without_none(kind: object) -> object:
    inner = [each for each in get_args(kind) if each is not type(None)]
    is_optional = type(None) in get_args(kind)
    return inner[0] if is_optional and len(inner) == 1 else kind


def _value(kind: object, info: OptionInfo | ArgumentInfo) -> str:
    if info.metavar:
        return info.metavar
    element = get_args(kind)[0] if get_origin(kind) is list else kind
    if get_origin(element) is Literal:
        return "|".join(map(str, get_args(element)))
    return _VALUES.get(element, "PATH")


def _default_text(default: object, info: OptionInfo | ArgumentInfo, *, is_flag: bool) -> str:
    if isinstance(info.show_default, str):
        return info.show_default
    is_unset = default is None or default is inspect.Parameter.empty or default in ((), [])
    if is_unset or is_flag or not info.show_default:
        return ""
    return code(str(default))


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "?", "!")) else f"{text}."


def _in_usage(argument: Parameter) -> str:
    return argument.names[0] if argument.required else f"[{argument.names[0]}]"


def _spelling(option: Parameter) -> str:
    spelled = ", ".join(map(code, option.names))
    return f"{spelled} {code(option.value)}" if option.value else spelled


def _details(parameter: Parameter) -> str:
    suffix = " May be repeated." if parameter.repeatable and parameter.is_option else ""
    return f"{parameter.help}{suffix}"


def _default(option: Parameter) -> str:
    return "*required*" if option.required else option.default
