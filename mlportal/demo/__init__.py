"""`make demo`: the article from submit to prediction, against a portal of its own, told in the terminal."""

from mlportal.demo.story import tell

__all__ = ["tell"]
