"""Azure's classes of datastores: the portal has one kind."""

from azureml.core.datastore import Datastore

__all__ = ["AbstractAzureStorageDatastore", "AzureBlobDatastore", "AzureFileDatastore"]

AbstractAzureStorageDatastore = AzureBlobDatastore = AzureFileDatastore = Datastore
