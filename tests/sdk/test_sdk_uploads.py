"""Files and images that a script hands over by name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlportal_sdk.uploads import Uploads, artifact_name

Script = Callable[[str], Any]
Records = Callable[[], list[dict[str, Any]]]

# stands for a matplotlib figure: any object with its savefig(file, format=…)
FIGURE = """
class Figure:
    def savefig(self, file, format):
        file.write(b"\\x89PNG " + format.encode())
"""


def test_files_streams_and_folders_are_copied_under_their_names(
    script: Script, records: Records, run_directory: Path
) -> None:
    names = script("""
import io, os
with open("model.bin", "wb") as file:
    file.write(b"\\x00" * 3000000)
os.makedirs("data/deep")
for name in ("data/a.txt", "data/deep/b.txt"):
    with open(name, "w") as file:
        file.write(name)
with open("outputs/kept.txt", "w") as file:
    file.write("kept")
run.upload_file("outputs/model.bin", "model.bin")
run.upload_file(name="notes\\\\text.txt", path_or_stream=io.StringIO(u"é"))
run.upload_file("./bytes", io.BytesIO(b"b"))
run.upload_files(["one", "two"], ["data/a.txt", "data/deep/b.txt"])
run.upload_folder("folder/", "data")
os.remove("model.bin")
result = run.get_file_names()
""")
    uploads = run_directory / "uploads"
    expected = ["bytes", "folder/a.txt", "folder/deep/b.txt", "notes/text.txt", "one", "outputs/model.bin", "two"]
    assert sorted(str(path.relative_to(uploads)) for path in uploads.rglob("*") if path.is_file()) == expected
    assert names == sorted([*expected, "outputs/kept.txt"])
    assert (uploads / "outputs/model.bin").read_bytes() == b"\x00" * 3000000
    assert (uploads / "notes/text.txt").read_bytes() == "é".encode()
    assert (uploads / "folder/deep/b.txt").read_text() == "data/deep/b.txt"
    assert sorted(record["n"] for record in records() if record["k"] == "file") == expected


def test_uploading_a_name_again_replaces_the_file(script: Script, run_directory: Path) -> None:
    script("""
import io
run.upload_file("notes.txt", io.BytesIO(b"first and longer"))
run.upload_file("notes.txt", io.BytesIO(b"second"))
""")
    assert (run_directory / "uploads" / "notes.txt").read_bytes() == b"second"


def test_images_of_one_name_are_kept_side_by_side(script: Script, records: Records, run_directory: Path) -> None:
    metrics = script(
        FIGURE
        + """
with open("photo.JPG", "wb") as file:
    file.write(b"jpeg")
run.log_image("ROC / AUC", plot=Figure())
run.log_image("ROC / AUC", plot=Figure(), description="after pruning")
run.log_image("photo", path="photo.JPG")
result = run.get_metrics()
"""
    )
    assert records() == [
        {"k": "image", "n": "ROC / AUC", "path": "ROC _ AUC.png"},
        {"k": "image", "n": "ROC / AUC", "path": "ROC _ AUC_1.png", "d": "after pruning"},
        {"k": "image", "n": "photo", "path": "photo.jpg"},
    ]
    assert metrics == {"ROC / AUC": ["ROC _ AUC.png", "ROC _ AUC_1.png"], "photo": "photo.jpg"}
    assert (run_directory / "uploads" / "ROC _ AUC.png").read_bytes() == b"\x89PNG png"
    assert (run_directory / "uploads" / "photo.jpg").read_bytes() == b"jpeg"


def test_what_cannot_be_uploaded_leaves_no_trace(script: Script, records: Records, run_directory: Path) -> None:
    failures = script(
        """
import os
class Broken:
    def savefig(self, file, format):
        file.write(b"half")
        raise RuntimeError("no fonts")
    def read(self, size):
        raise RuntimeError("the network is gone")
os.mkfifo("pipe")
result = []
for call in (
    lambda: run.upload_file("a", "missing.txt"),
    lambda: run.upload_file("b", "outputs"),
    lambda: run.upload_file("c", "pipe"),
    lambda: run.upload_file("d", Broken()),
    lambda: run.upload_files(["e", "f"], ["missing.txt"]),
    lambda: run.upload_folder("g", "missing"),
    lambda: run.log_image("h", path="missing.png"),
    lambda: run.log_image("i", plot=Broken()),
):
    try:
        call()
    except (OSError, ValueError, RuntimeError) as error:
        result.append(type(error).__name__)
"""
    )
    assert failures == [
        "FileNotFoundError",
        "ValueError",
        "ValueError",
        "RuntimeError",
        "ValueError",
        "NotADirectoryError",
        "FileNotFoundError",
        "RuntimeError",
    ]
    assert list((run_directory / "uploads").iterdir()) == []
    assert records() == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "/",
        "/etc/passwd",
        "\\\\host\\share",
        "C:\\model.pkl",
        "..",
        "../up",
        "a/../../b",
        "a\\..\\b",
        "folder/",
        "nul\0",
        "line\nfeed",
        "half\udc80",
        ".partial-0",
    ],
)
def test_names_that_leave_the_folder_or_name_no_file_are_refused(tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.write_text("text")
    uploads = tmp_path / "uploads"
    with pytest.raises(ValueError, match="the name of an upload"):
        Uploads(str(uploads)).add(name, str(source))
    assert not uploads.exists()


@pytest.mark.parametrize(
    ("name", "artifact"),
    [
        ("outputs/model.pkl", "outputs/model.pkl"),
        ("./outputs//model.pkl", "outputs/model.pkl"),
        ("outputs\\model.pkl", "outputs/model.pkl"),
        ("..model", "..model"),
        ("50 % Straße.txt", "50 % Straße.txt"),
    ],
)
def test_names_are_relative_paths_with_forward_slashes(name: str, artifact: str) -> None:
    assert artifact_name(name) == artifact


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text("text")
    os.symlink(folder, folder / "again")
    found = list(Uploads(str(tmp_path / "uploads")).folder("copy", str(folder)))
    assert found == [("copy/file", str(folder / "file"))]
