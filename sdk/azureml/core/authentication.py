"""`azureml.core.authentication`: whoever these say they are, the portal knows its users by their API token."""

from typing import Any, Dict

__all__ = [
    "AbstractAuthentication",
    "AzureCliAuthentication",
    "InteractiveLoginAuthentication",
    "MsiAuthentication",
    "ServicePrincipalAuthentication",
    "TokenAuthentication",
]


class AbstractAuthentication:
    """Taken as `auth=…`, and holding nothing: the token is MLPORTAL_TOKEN, or what `mlportal login` kept."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def get_authentication_header(self) -> Dict[str, str]:
        """{"Authorization": "Bearer …"} with the token for the portal of this folder. Raises NotConfigured without one."""
        from mlportal_sdk.client import Client

        return {"Authorization": "Bearer {}".format(Client.from_environment().http.token)}

    def get_token(self) -> str:
        return self.get_authentication_header()["Authorization"].split()[1]


class InteractiveLoginAuthentication(AbstractAuthentication):
    pass


class AzureCliAuthentication(AbstractAuthentication):
    pass


class MsiAuthentication(AbstractAuthentication):
    pass


class ServicePrincipalAuthentication(AbstractAuthentication):
    pass


class TokenAuthentication(AbstractAuthentication):
    pass
