"""Errors that scripts catch by the Azure ML SDK's names.

AzureMLException
├── UserErrorException
└── RunEnvironmentException
NotSupportedError (an AttributeError)   UnsupportedImportError (an ImportError)
"""


class AzureMLException(Exception):
    """Any error of the SDK."""

    @property
    def message(self) -> str:
        return str(self)


class UserErrorException(AzureMLException):
    """A call that cannot be meant so: a property that is written twice."""


class RunEnvironmentException(AzureMLException):
    """`Run.get_context(allow_offline=False)` outside of a run."""


class NotSupportedError(AttributeError):
    """A member of the Azure ML SDK that the portal's client does not have; the message says what to use instead."""


class UnsupportedImportError(ImportError):
    """A name of the Azure ML SDK that the portal's client does not have; the message says what to use instead."""
