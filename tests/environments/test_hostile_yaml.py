"""YAML that was written to hurt: always an error of ours, always at once."""

import time

import pytest
import yaml

from experiments.environments import EnvironmentFileError, parse_conda_yaml, yaml_loading

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture(autouse=True, params=["libyaml", "python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML with its C parser, and without it as on some machines."""
    if request.param == "python":
        monkeypatch.setattr(yaml_loading, "_Loader", yaml.SafeLoader)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "anchors"),
        ("dependencies: [*nothing]", "aliases"),
        ("dependencies: &x [numpy]", "anchors"),
        ("dependencies: !!python/object/apply:os.system ['true']", "tags"),
        ("dependencies:\n- !!str numpy", "tags"),
        ("!custom\ndependencies: []", "tags"),
        ("dependencies: " + "[" * 30_000, "nested"),
        ("dependencies:\n" + "".join("  " * i + "- a:\n" for i in range(60)), "nested"),
        ("? " * 20_000, "single word"),
        ("{" * 30_000, "single word"),
        ("? [a, b]\n: c\n", "single word"),
        ("dependencies: []\n---\ndependencies: []\n", "more than one"),
        ("dependencies: [", "not valid YAML"),
        ("dependencies:\n\t- numpy", "not valid YAML"),
        ("dependencies: ['\x00']", "not valid YAML"),
        ("dependencies:\n" + "- numpy\n" * 200_000, "at most"),
        ("#" * 70_000, "at most"),
        (b"\xff\xfed\x00e\x00", "UTF-8"),
        ("dependencies: ['\ud800']", "UTF-8"),
    ],
)
def test_it_is_refused_at_once(text: str | bytes, words: str) -> None:
    started = time.process_time()
    with pytest.raises(EnvironmentFileError, match=words):
        parse_conda_yaml(text)
    assert time.process_time() - started < 0.5


def test_the_largest_file_that_is_read_takes_no_time() -> None:
    lines = "".join(f"- package-{number}>=1,<2\n" for number in range(3_000))
    text = "dependencies:\n" + lines
    assert 50_000 < len(text) < 65_536
    started = time.process_time()
    assert len(parse_conda_yaml(text).requirements) == 3_000
    assert time.process_time() - started < 4


def test_the_line_of_the_offence_is_named() -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        parse_conda_yaml("name: x\ndependencies:\n- numpy\n- &a scipy\n")
    assert caught.value.line == 4


def test_quotes_and_comments_on_every_line_take_no_time() -> None:
    text = "dependencies:\n" + "- 'a' #\n" * 8_000
    started = time.process_time()
    assert parse_conda_yaml(text).requirements == ("a",)
    assert time.process_time() - started < 4


def test_a_line_as_long_as_the_file_is_not_repeated_whole() -> None:
    for line in ("numpy=" + "9" * 60_000, "x " * 30_000, "numpy=" + "1." * 30_000 + "x"):
        with pytest.raises(EnvironmentFileError) as caught:
            parse_conda_yaml(f"dependencies:\n- {line}\n")
        assert len(str(caught.value)) < 1_000
