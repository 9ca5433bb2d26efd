"""Errors that scripts catch by the Azure ML SDK's names.

AzureMLException
├── ActivityFailedException          a run failed (or ExperimentExecutionException: waiting was interrupted)
├── ComputeTargetException           no such target, or one that cannot be made so
├── ModelNotFoundException           no such model or version
├── ModelPathNotFoundException       no such file of a run or folder
├── ProjectSystemException           no config.json
├── RunEnvironmentException          `Run.get_context(allow_offline=False)` outside of a run
├── UserErrorException               a call that cannot be meant so
├── WebserviceException              no such service, or it answered with an error
├── the others of Azure's            never raised here; scripts name them in `except`
└── mlportal_sdk.errors.PortalError  what the portal answers with an error, and a portal that is away, unless above
NotSupportedError (an AttributeError)   UnsupportedImportError (an ImportError)
"""

from typing import Any

from mlportal_sdk.errors import AzureMLException

_ONLY_NAMED = (
    "AuthenticationException",
    "AuthenticationAPINotFoundException",
    "AzureMLAggregatedException",
    "CloneException",
    "DatasetTimestampMissingError",
    "DiscoveryUrlNotFoundException",
    "ExperimentNotFoundException",
    "ImageException",
    "ParallelRunException",
    "RunConfigurationException",
    "ScenarioNotSupportedException",
    "ServiceException",
    "SnapshotException",
    "TrainingException",
    "UnsupportedException",
    "WorkspaceException",
    "WorkspacePrivateEndpointException",
)
globals().update(
    {
        name: type(name, (AzureMLException,), {"__module__": __name__, "__doc__": "Azure's; never raised here."})
        for name in _ONLY_NAMED
    }
)


class UserErrorException(AzureMLException):
    """A call that cannot be meant so: a property that is written twice."""


class ExperimentExecutionException(AzureMLException):
    """Waiting for a run was interrupted; the run goes on."""


class ActivityFailedException(AzureMLException):
    """The run failed; the message has the details as JSON."""

    def __init__(self, exception_message: str = "", error_details: str = "", **kwargs: Any) -> None:
        super().__init__("{}\n{}".format(exception_message, error_details) if error_details else exception_message)
        self.error_details = error_details


class RunEnvironmentException(AzureMLException):
    """`Run.get_context(allow_offline=False)` outside of a run."""


class ProjectSystemException(AzureMLException):
    """There is no workspace to be found; the message says how to get a config.json."""


class ComputeTargetException(AzureMLException):
    """There is no such compute target, or it cannot be made so."""


class ModelNotFoundException(AzureMLException):
    """There is no such model, or no such version of it."""


class ModelPathNotFoundException(AzureMLException):
    """There is no such file to register or to download."""


class WebserviceException(AzureMLException):
    """There is no such service, it could not be deployed, or it answered with an error."""

    def __init__(self, exception_message: str = "", status_code: Any = None, logger: Any = None, **kwargs: Any) -> None:
        super().__init__(exception_message)
        self.status_code = status_code


class NotSupportedError(AttributeError):
    """A member of the Azure ML SDK that the portal's client does not have; the message says what to use instead."""


class UnsupportedImportError(ImportError):
    """A name of the Azure ML SDK that the portal's client does not have; the message says what to use instead."""
