import re
from collections.abc import Callable
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise has no types
    """Names carry a hash of the content, and the `import`s of our ES modules follow them there."""

    support_js_module_import_aggregation = True

    def url_converter(
        self, name: str, hashed_files: dict[str, str], template: str | None = None
    ) -> Callable[[re.Match[str]], str]:
        # Other packages' scripts have "import" in places where it is none.
        if name.endswith(".js") and not name.startswith("js/"):
            return lambda found: found["matched"]
        convert: Callable[[Any], str] = super().url_converter(name, hashed_files, template)
        return convert
