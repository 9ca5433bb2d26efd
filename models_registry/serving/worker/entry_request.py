"""What an entry script is told of a request beside its body. Python 3.6, standard library only."""

import io
import json
from typing import Any, Dict, List
from urllib.parse import parse_qsl


class Headers(dict):  # type: ignore[type-arg]
    """By name, whatever its case."""

    def __init__(self, pairs: Dict[str, str]) -> None:
        super(Headers, self).__init__({_title(name): value for name, value in pairs.items()})

    def __getitem__(self, name: str) -> Any:
        return super(Headers, self).__getitem__(_title(name))

    def __contains__(self, name: object) -> bool:
        return super(Headers, self).__contains__(_title(str(name)))

    def get(self, name: str, default: Any = None) -> Any:
        return super(Headers, self).get(_title(name), default)


class Arguments(dict):  # type: ignore[type-arg]
    """Of the query string: the first value of each, or all by `getlist`."""

    def __init__(self, query: str) -> None:
        super(Arguments, self).__init__()
        self._pairs = parse_qsl(query, keep_blank_values=True)
        for name, value in self._pairs:
            self.setdefault(name, value)

    def getlist(self, name: str) -> List[str]:
        return [value for key, value in self._pairs if key == name]


class Request(object):
    """What `run` gets under `@rawhttp`: Flask's names, as far as a body and its headers go."""

    def __init__(self, meta: Dict[str, Any], body: bytes) -> None:
        self.method = meta["method"]
        self.path = meta["path"]
        self.query_string = meta["query"].encode("latin-1", "replace")
        self.full_path = "%s?%s" % (self.path, meta["query"])
        self.url = self.full_path if meta["query"] else self.path
        self.args = Arguments(meta["query"])
        self.headers = Headers(meta["headers"])
        self.content_type = self.headers.get("Content-Type", "")
        self.mimetype = self.content_type.partition(";")[0].strip().lower()
        self.content_length = len(body)
        self.is_json = self.mimetype == "application/json" or self.mimetype.endswith("+json")
        self.data = body
        self.stream = io.BytesIO(body)

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:
        return self.data.decode("utf-8") if as_text else self.data

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        try:
            return json.loads(self.data.decode("utf-8")) if self.is_json or force else None
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self) -> Any:
        return self.get_json()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError("request.%s is not there in this portal; the body is request.get_data()" % name)


def _title(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))
