"""The pip list: what is taken, what is left out, what is refused."""

import pytest

from experiments.environments import EnvironmentFileError, EnvironmentSpec, PipPolicy, parse_conda_yaml

ALLOWED = PipPolicy(frozenset({"https://download.example/whl/cpu", "https://wheels.example/links.html"}))


def pip(*lines: str, policy: PipPolicy | None = None) -> EnvironmentSpec:
    text = "dependencies:\n- pip:\n" + "".join(f"  - {line}\n" for line in lines)
    return parse_conda_yaml(text, policy=policy)


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("numpy", "numpy"),
        ("NumPy == 1.19.1", "numpy==1.19.1"),
        ("numpy>=1.15,<1.20", "numpy<1.20,>=1.15"),
        ("requests[security,socks]", "requests[security,socks]"),
        ("'numpy  # the fast one'", "numpy"),
        ("'dataclasses; python_version < \"3.7\"'", 'dataclasses; python_version < "3.7"'),
        ("numpy==1.19.1 --hash=sha256:00ff", "numpy==1.19.1"),
        ("ruamel.yaml", "ruamel-yaml"),
    ],
)
def test_requirements_are_normalised(line: str, requirement: str) -> None:
    assert pip(line).requirements == (requirement,)


def test_a_block_of_lines_in_one_entry_is_read_line_by_line() -> None:
    assert pip("|\n    numpy\n    scipy").requirements == ("numpy", "scipy")


@pytest.mark.parametrize(
    "line",
    [
        "-r requirements.txt",
        "-r/etc/passwd",
        "--requirement=/etc/passwd",
        "-c constraints.txt",
        "-e .",
        "--editable git+https://example.com/a.git",
        "./local",
        "../x.whl",
        "/opt/x-1.0-py3-none-any.whl",
        "x-1.0-py3-none-any.whl",
        "~/x",
        "dist/x.tar.gz",
        "git+https://example.com/a.git#egg=a",
        "https://example.com/a.whl",
        "file:///etc/passwd",
        "a @ https://example.com/a.whl",
        "a@git+ssh://git@example.com/a",
        "numpy scipy",
        "--no-such-option",
        "--index-url",
        "--extra-index-url 'open",
    ],
)
def test_lines_that_reach_elsewhere_are_refused_with_line_and_key(line: str) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        pip("numpy", '"' + line + '"')
    assert (caught.value.line, caught.value.key) == (4, "dependencies.pip")
    assert caught.value.message


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example/simple",
        "-i https://evil.example/simple",
        "--extra-index-url=https://evil.example/simple",
        "-f https://evil.example/simple",
        "--find-links /etc",
        "--trusted-host evil.example",
        "--no-cache-dir",
        "--no-binary=pandas",
    ],
)
def test_options_that_are_not_allowed_are_left_out_with_a_visible_note(line: str) -> None:
    spec = pip(line, "numpy")
    assert spec.index_options == ()
    assert spec.requirements == ("numpy",)
    assert len(spec.notes) == 1
    assert (spec.notes[0].line, "left out" in spec.notes[0].text) == (3, True)


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("--extra-index-url https://download.example/whl/cpu/", "--extra-index-url=https://download.example/whl/cpu/"),
        ("--index-url=HTTPS://Download.example/whl/cpu", "--index-url=HTTPS://Download.example/whl/cpu"),
        ("torch==1.7 -f https://wheels.example/links.html", "--find-links=https://wheels.example/links.html"),
    ],
)
def test_an_allowed_address_is_taken(line: str, option: str) -> None:
    spec = pip(line, policy=ALLOWED)
    assert spec.index_options == (option,)
    assert spec.notes == ()


@pytest.mark.parametrize(
    "address",
    [
        "https://download.example/whl/cpu/other",
        "https://download.example.evil.example/whl/cpu",
        "https://download.example@evil.example/whl/cpu",
        "http://download.example/whl/cpu",
    ],
)
def test_an_address_that_only_looks_allowed_is_not_taken(address: str) -> None:
    assert pip(f"--extra-index-url {address}", policy=ALLOWED).index_options == ()


def test_secrets_of_addresses_are_not_repeated() -> None:
    spec = pip("--index-url https://me:hunter2@private.example/simple?token=hunter3")
    assert "private.example" in spec.notes[0].text
    assert "hunter" not in spec.notes[0].text
    with pytest.raises(EnvironmentFileError) as caught:
        pip("a @ https://me:hunter2@private.example/a.whl")
    assert "hunter" not in str(caught.value)


def test_pre_releases_are_asked_for() -> None:
    assert pip("--pre", "numpy").prereleases
    assert not pip("numpy").prereleases
