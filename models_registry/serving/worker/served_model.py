"""A loaded model as a server calls it: what came over the socket in, the message that answers it out. Python 3.6, numpy."""

import traceback
import warnings
from typing import Any, Dict

import numpy as np

from . import answer, description, loading, process, protocol

NAN = float("nan")
MESSAGE_CHARACTERS = 2000
OF_INPUT = (
    "convert",
    "must be",
    "not supported between instances",
    "for the input types",
    "unhashable",
)  # in a TypeError


class Model(object):
    """A loaded model, called with what came over the socket. Raises CannotLoad for what answers nothing."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.methods = description.methods(model)
        self.names = description.feature_names(model)
        self.pandas: Any = None
        if self.names and description.installed("pandas"):
            import pandas

            self.pandas = pandas
        # A lone estimator takes numbers as they are; one that holds others may pick columns by name inside.
        self.frames_numbers = description.holds_others(model)
        self.keeps_none = description.knows_none(model)
        self.takes_text: Dict[int, bool] = {}  # by column, as far as it had to be asked
        self.described = description.describe(model)
        if not self.methods:
            raise loading.CannotLoad(loading.why_no_methods(model))
        self._try_example()

    def _try_example(self) -> None:
        """Leave the example out if the model does not take it; otherwise the first real call finds it warm."""
        rows = self.described["example"]
        try:
            self.call(self.methods[0], {"rows": rows or [[0.0]]})
        except Exception as error:
            if process.is_out_of_memory(error):
                raise MemoryError from None
            if type(error).__name__ == "NotFittedError":
                raise loading.CannotLoad("it is not fitted: %s" % error) from None
            if rows is not None:
                process.log("no example request: the model does not take %s (%s)" % (rows, error))
            self.described["example"] = None

    def respond(self, number: int, method: str, payload: Any) -> bytes:
        """The message that answers a request."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return protocol.encode(number, method, self.call(method, payload))
        except MemoryError:
            raise
        except (ValueError, KeyError, IndexError, OverflowError) as error:
            return protocol.encode_error(number, "bad_input", str(error)[:MESSAGE_CHARACTERS])
        except TypeError as error:
            # scikit-learn answers TypeError to text where numbers belong, and to its own faults too.
            code = "bad_input" if any(sign in str(error) for sign in OF_INPUT) else "model_error"
            return protocol.encode_error(number, code, ("TypeError: %s" % error)[:MESSAGE_CHARACTERS])
        except Exception as error:
            if process.is_out_of_memory(error):
                raise MemoryError from None
            process.log(traceback.format_exc())
            return protocol.encode_error(
                number, "model_error", ("%s: %s" % (type(error).__name__, error))[:MESSAGE_CHARACTERS]
            )

    def call(self, method: str, payload: Any) -> Any:
        """The answer of `method`: a numeric array, or a JSON value for anything else.

        `payload` is an array, or {"rows": …, "params": {…}, "dtype": …}: rows of mixed types, or with a dtype of
        numbers, and further arguments of the method.
        """
        params: Dict[str, Any] = {}
        if isinstance(payload, dict):
            params = payload.get("params") or {}
            if payload.get("dtype"):
                payload = np.array(payload["rows"], dtype=payload["dtype"])
            elif method != "inverse_transform" and self.described["takes"] == "cells":
                self._refuse_numbers_as_texts(method, payload["rows"])
        return answer.answer_of(getattr(self.model, method)(self._input(method, payload), **params), protocol.CODES)

    def _input(self, method: str, payload: Any) -> Any:
        if isinstance(payload, np.ndarray):
            if self.pandas is not None and self.frames_numbers and payload.ndim == 2 and method != "inverse_transform":
                return self.pandas.DataFrame(payload, columns=self._columns(payload.shape[1]))
            return payload
        rows = payload["rows"]
        if not rows or not isinstance(rows[0], list) or self.described["takes"] != "cells":
            return rows  # one text per row, as a vectorizer takes them
        if not self.keeps_none:
            rows = [[NAN if cell is None else cell for cell in row] for row in rows]
        if self.pandas is not None:
            return self.pandas.DataFrame(rows, columns=self._columns(len(rows[0])))
        array = np.empty((len(rows), len(rows[0])), dtype=object)
        array[:] = rows
        return array

    def _columns(self, width: int) -> Any:
        return self.names if self.names is not None and width == len(self.names) else None

    def _refuse_numbers_as_texts(self, method: str, rows: Any) -> None:
        """Raises ValueError for "5.1" where the model takes 5.1: numpy would convert it, and hide a caller's mistake."""
        if not rows or not isinstance(rows[0], list):
            return
        for place in range(len(rows[0])):
            if self.takes_text.get(place):
                continue
            found = next((row for row in rows if isinstance(row[place], str) and _is_number(row[place])), None)
            if found is not None and not self._asked_whether_text(method, found, place):
                name = self.names[place] if self.names and len(self.names) > place else place
                raise ValueError("column %s takes numbers, and has the text %r" % (name, found[place][:40]))

    def _asked_whether_text(self, method: str, row: Any, place: int) -> bool:
        if place not in self.takes_text:
            try:
                getattr(self.model, method)(
                    self._input(method, {"rows": [row[:place] + ["no number"] + row[place + 1 :]]})
                )
            except Exception as error:
                if "could not convert string to float" in str(error):
                    self.takes_text[place] = False
                elif not isinstance(error, ValueError):
                    return True
            self.takes_text.setdefault(place, True)
        return self.takes_text[place]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
