"""Opens a model's file, or says in a person's words why that cannot be done. Python 3.6, run by the model worker."""

import os
import pickle
from typing import Any

# What import names are called on the package index, where that differs.
PACKAGE_NAMES = {"sklearn": "scikit-learn", "skimage": "scikit-image", "cv2": "opencv-python", "PIL": "pillow"}


class CannotLoad(Exception):
    """The model cannot be loaded; the message says why, for a person."""


def load_model(path: str) -> Any:
    """The model in the file at `path`. joblib reads plain pickles too, and is what the inspection follows."""
    try:
        if path.endswith(".skops"):
            return _load_skops(path)
        try:
            import joblib
        except ImportError:
            with open(path, "rb") as file:
                return pickle.load(file)
        return joblib.load(path)
    except ModuleNotFoundError as error:
        missing = (error.name or str(error)).split(".")[0]
        if missing == (error.name or ""):
            package = PACKAGE_NAMES.get(missing, missing)
            raise CannotLoad("it needs the package %s, which its environment does not have" % package) from None
        raise CannotLoad("its environment has another version of %s: %s" % (missing, error)) from None
    except MemoryError:
        raise
    except AttributeError as error:
        if "__main__" in str(error) or "__mp_main__" in str(error):
            hint = "what the training script itself defines is not found here: move it into a module beside the script"
        else:
            hint = "usually another version of a package than the model was saved with"
        raise CannotLoad("AttributeError: %s (%s)" % (error, hint)) from None
    except (
        pickle.UnpicklingError,
        EOFError,
        IndexError,
    ) as error:  # the first bytes mean nothing, or there are no more
        what = "%s: %s" % (type(error).__name__, error)
        raise CannotLoad(
            "%s is no pickle or joblib file, or not a whole one (%s)" % (os.path.basename(path), what)
        ) from None
    except Exception as error:
        raise CannotLoad("%s: %s" % (type(error).__name__, error)) from error


def why_no_methods(model: Any) -> str:
    """What to do about an object that answers nothing about new rows, for a person."""
    name = type(model).__name__
    if isinstance(model, type):
        return "it is the class %s itself, not an object of it" % model.__name__
    if any(hasattr(model, what) for what in ("fit_predict", "fit_transform", "get_indices")):
        return (
            "%s answers only about the rows that it was fitted on (it has no predict and no transform): register a model"
            " for new rows that was trained on its result, or serve it with an entry script" % name
        )
    return "%s has no method that takes rows, such as predict or transform: serve it with an entry script" % name


def _load_skops(path: str) -> Any:
    """Who deploys a model trusts its file, whatever types it has, as with a pickle: it is opened in this process alone."""
    import skops.io

    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
