"""An answer of an entry script with its own status, headers and bytes."""

import json
from typing import Any, Dict, Optional


class AMLResponse:
    """`message` is text or bytes, or with `json_str` anything that JSON can say; None is an empty JSON object."""

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Optional[Dict[str, str]] = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        as_json = json_str or message is None
        self.status_code = status_code
        self.headers = {"Content-Type": "application/json" if as_json else "text/html; charset=utf-8"}
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        for name, value in (response_headers or {}).items():
            same = [there for there in self.headers if there.lower() == name.lower()]
            self.headers[same[0] if same else name] = value
        self._body = json.dumps({} if message is None else message) if as_json else message

    def get_data(self, as_text: bool = False) -> Any:
        body = self._body.encode("utf-8") if isinstance(self._body, str) else bytes(self._body)
        return body.decode("utf-8") if as_text else body
