"""Completion for bash, zsh and fish, made of the parser itself: a new option is completed without a line more."""

import argparse
from typing import Any, Dict, List

from mlportal_sdk.cli import status
from mlportal_sdk.cli.terminal import Terminal


def add(commands: Any, common: Any) -> None:
    parser = commands.add_parser(
        "completion",
        parents=[common],
        help="completion for your shell",
        description='For bash, in ~/.bashrc: eval "$(mlportal completion bash)". For zsh the same in ~/.zshrc, after '
        "compinit. For fish: mlportal completion fish > ~/.config/fish/completions/mlportal.fish",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(handle=complete)


def complete(asked: Any, terminal: Terminal) -> int:
    words = words_of(asked.parser)
    terminal.write({"bash": _bash, "zsh": _zsh, "fish": _fish}[asked.shell](words))
    return status.OK


def words_of(parser: Any, before: str = "") -> Dict[str, List[Any]]:
    """{"": …, "run": …, "env check": …} with [(word, help)]: the commands and options that may come there."""
    here: List[Any] = []
    found = {before: here}
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                here.append((name, about.get(name, "")))
                found.update(words_of(below, (before + " " + name).strip()))
        elif action.option_strings:
            here.append((action.option_strings[-1], action.help or ""))
        elif action.choices:
            here.extend((str(choice), "") for choice in action.choices)
    return found


def _lookup(words: Dict[str, List[Any]], line: str) -> str:
    """Shell that puts what may come next into $offer: `at` is the command that the line's words have led to."""
    known = " ".join(path.replace(" ", "/") for path in sorted(words) if path)
    arms = "".join(
        "    {}) offer={} ;;\n".format(_quoted(path.replace(" ", "/")), _quoted(" ".join(word for word, _ in options)))
        for path, options in sorted(words.items())
    )
    return (
        "  local word at='' offer='' known=' {known} '\n"
        "  for word in {line}; do\n"
        '    case "$known" in *" ${{at:+$at/}}$word "*) at="${{at:+$at/}}$word" ;; esac\n'
        "  done\n"
        '  case "$at" in\n{arms}  esac\n'
    ).format(known=known, line=line, arms=arms)


def _bash(words: Dict[str, List[Any]]) -> str:
    return (
        "_mlportal() {\n"
        + _lookup(words, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')
        + '  COMPREPLY=($(compgen -W "$offer" -- "${COMP_WORDS[COMP_CWORD]}"))\n'
        + "}\ncomplete -o default -F _mlportal mlportal\n"
    )


def _zsh(words: Dict[str, List[Any]]) -> str:
    return (
        "_mlportal() {\n"
        + _lookup(words, '"${words[@]:1:$((CURRENT-2))}"')
        + "  compadd -- ${=offer}\n  _files\n"
        + "}\ncompdef _mlportal mlportal\n"
    )


def _fish(words: Dict[str, List[Any]]) -> str:
    lines = []
    top = [word for word, _ in words[""] if not word.startswith("-")]
    for path, options in sorted(words.items()):
        names = path.split()
        if not names:
            condition = "not __fish_seen_subcommand_from " + " ".join(top)
        else:
            condition = "; and ".join("__fish_seen_subcommand_from " + name for name in names)
        for word, about in options:
            text = _quoted(about.replace("%%", "%"))
            if word.startswith("--"):
                lines.append("complete -c mlportal -n '{}' -l {} -d {}".format(condition, word[2:], text))
            elif word.startswith("-"):
                lines.append("complete -c mlportal -n '{}' -s {} -d {}".format(condition, word[1:], text))
            else:
                lines.append("complete -c mlportal -n '{}' -f -a {} -d {}".format(condition, word, text))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "").replace("'", "") + "'"
