"""What drf-spectacular cannot see by itself: how callers sign in, what every operation has, and what it may refuse."""

import re
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import CharField

from mlportal.api import idempotency
from mlportal.api.fields import Input
from mlportal.api.views import ApiView, DetailView, ListView, RowsView

# Which part of the API an address belongs to, by its first word.
AREAS = {
    "account": ("me", "tokens"),
    "workspaces": ("workspaces", "members", "config.json"),
    "snapshots": ("snapshots", "blobs"),
    "data": ("data", "datasets"),
    "environments": ("environments", "builds"),
    "trash": ("trash", "retention", "storage"),
    "models": ("models", "model-versions"),
}
REFUSALS = {
    206: "The range of the file that was asked for",
    304: "Not changed since the answer with this ETag",
    400: "The request says something that cannot be; `details` names the field",
    401: "No token or session, or one that opens nothing",
    403: "Seen, but not for this role",
    404: "Is not there, or not for the caller's eyes",
    408: "The body came too slowly",
    409: "The state of the thing does not allow it now, or the Idempotency-Key came with another request",
    413: "A limit was hit; the message names the setting",
    415: "Another content type than the one of this operation",
    416: "The file has no such range",
    426: "The client is older than the portal understands",
    429: "Too many requests this minute; try again after `Retry-After` seconds",
    500: "The model raised; the service's log has the traceback",
    503: "A part of the portal is away; try again",
    504: "No answer in time",
    507: "The replica that worked on it ran out of memory",
}
BODILESS = (304, 416)
EVERYWHERE = (400, 401, 403, 426, 429, 503)


class Schema(AutoSchema):
    """Adds to every operation a summary, the area as its tag, the parameters of all, and the answers that refuse."""

    def get_summary(self) -> str:
        said = super().get_summary()
        if said:
            return str(said)
        first = self.get_description().split("\n\n")[0].replace("\n", " ").strip()
        sentence = re.split(r"(?<=[.:;]) ", first)[0].rstrip(".:; ")
        return sentence or self._plain_summary()

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular does
        described = str(super().get_description() or "")
        # A view without a docstring gets that of the class that it is made of, which says nothing of it.
        return "" if described in _OF_BASES else described

    def _plain_summary(self) -> str:
        model = getattr(getattr(self._get_serializer(), "Meta", None), "model", None)  # type: ignore[no-untyped-call]
        if model is None:
            return ""
        names = model._meta
        return (
            f"List {names.verbose_name_plural}" if isinstance(self.view, ListView) else f"Get one {names.verbose_name}"
        )

    def get_tags(self) -> list[str]:
        words = self._tokenize_path()
        first = words[1] if words[0] == "workspaces" and len(words) > 1 else words[0]
        return [next((area for area, parts in AREAS.items() if first in parts), first)]

    def get_override_parameters(self) -> list[Any]:
        found = list(super().get_override_parameters())
        if not isinstance(self.view, ApiView):
            return found
        if self.method == "POST" and self.view.once:
            found.append(
                OpenApiParameter(
                    idempotency.HEADER,
                    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
                    OpenApiParameter.HEADER,
                    description="A new one for each request: the same request again is answered as the first was, and not done twice.",
                )
            )
        if self.method == "GET" and (names := self._names()):
            found.append(
                OpenApiParameter(
                    "fields",
                    {"type": "array", "items": {"type": "string", "enum": names}, "minItems": 1},
                    description="What the answer is to have, comma-separated; everything when it is left out.",
                    explode=False,
                    style="form",
                )
            )
        return found

    def _map_serializer(self, serializer: Any, *args: Any, **kwargs: Any) -> Any:
        schema = super()._map_serializer(serializer, *args, **kwargs)  # type: ignore[no-untyped-call]
        asked = force_instance(serializer)  # type: ignore[no-untyped-call]
        if isinstance(asked, Input):
            schema["additionalProperties"] = False
            for name, field in asked.fields.items():
                if isinstance(field, CharField) and not field.allow_blank:
                    schema["properties"][name].setdefault("minLength", 1)
        return schema

    def _names(self) -> list[str]:
        """Of the fields that can be chosen, in the order in which they are answered."""
        view: Any = self.view
        kind = view.get_serializer_class() if isinstance(view, RowsView) else view.output
        return list(getattr(kind(), "fields", ())) if kind else []

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        answers = operation["responses"]
        for status in self._refusals(answers):
            answers.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
        operation["responses"] = dict(sorted(answers.items()))
        return operation

    def _refusals(self, answers: Any) -> set[int]:
        found = {*EVERYWHERE}
        if "{" in self.path:
            found.add(404)
        if self.method in ("POST", "PUT", "PATCH"):
            found |= {409, 413, 415}
        elif self.method == "DELETE":
            found.add(409)
        elif "text/event-stream" not in (content := answers.get("200", {}).get("content", {})):
            found |= {304, 206, 416} if "application/octet-stream" in content else {304}
        return found | set(getattr(self.view, "refusals", ()))


_OF_BASES = {re.sub(r"\n\s+", "\n", (base.__doc__ or "").strip()) for base in (ApiView, RowsView, ListView, DetailView)}


def add_errors(result: Any, generator: Any, request: Any, public: Any) -> Any:
    """What the operations' refusals refer to: one shape, written once."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "details"],
                "properties": {
                    "code": {"type": "string", "description": "Stable; for programs"},
                    "message": {"type": "string", "description": "For people"},
                    "details": {"type": "object", "additionalProperties": {}, "description": "Depends on the code"},
                },
            }
        },
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    components["responses"] = {
        str(status): {"description": said, **({} if status in BODILESS else {"content": content})}
        for status, said in REFUSALS.items()
    }
    components["responses"]["206"]["content"] = {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    }
    return result


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "mlportal.access.authentication.UserTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token, from the Tokens page."}


class RunTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "experiments.api.authentication.RunTokenAuthentication"
    name = "run"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "MLFLOW_TRACKING_TOKEN of a running script."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "mlportal.access.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
