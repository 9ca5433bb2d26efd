from rest_framework import authentication, exceptions
from rest_framework.request import Request

from experiments.models import RunToken
from experiments.status import RUN_FINAL
from mlportal.access.authentication import bearer
from mlportal.access.models import User, digest_of
from mlportal.access.principals import RunPrincipal


class RunTokenAuthentication(authentication.BaseAuthentication):
    """A running script, with the token that it found in its environment. The token ends with the run."""

    def authenticate(self, request: Request) -> tuple[RunPrincipal, RunToken] | None:
        secret = bearer(request)
        if secret is None or not secret.startswith(RunToken.PREFIX):
            return None
        token = (
            RunToken.objects.select_related("run__created_by")
            .filter(digest=digest_of(secret))
            .exclude(run__status__in=RUN_FINAL)
            .first()
        )
        if token is None or not isinstance(token.run.created_by, User):
            raise exceptions.AuthenticationFailed("This token belongs to no run that is still going on.")
        return RunPrincipal(token.run_id, token.run.workspace_id, token.run.created_by), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="mlportal"'
