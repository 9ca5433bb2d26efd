"""An entry script as a server calls it: the same as served_model.py has for a model. Python 3.6, standard library only."""

import os
from typing import Any

from . import description, entry_script, protocol


class Script(object):
    """An entry script, called with what came over the socket."""

    def __init__(self, path: str) -> None:
        self.script = entry_script.Script(path, os.getcwd())
        self.methods = self.script.methods
        self.described = dict(
            self.script.described,
            **{"class": self.script.name, "python": description.python(), "versions": description.versions()},
        )

    def respond(self, number: int, method: str, payload: Any) -> bytes:
        """The message that answers a request."""
        if not isinstance(payload, protocol.Raw):
            return protocol.encode_error(number, "bad_input", "an entry script takes bodies as they are")
        try:
            return protocol.encode(number, method, protocol.Raw(*self.script.call(payload.meta, payload.body)))
        except entry_script.Refused as error:
            return protocol.encode_error(number, "bad_input", str(error))
        except entry_script.Failed as error:
            return protocol.encode_error(number, "model_error", str(error))
