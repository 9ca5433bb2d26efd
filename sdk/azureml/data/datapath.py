"""`azureml.data.datapath`: a place in the data store."""

from typing import Any, Optional

from azureml._partial import Partial

__all__ = ["DataPath"]


class DataPath(Partial):
    def __init__(
        self, datastore: Any = None, path_on_datastore: Optional[str] = None, name: Optional[str] = None
    ) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore or ""
        self.name = name

    def create_from_data_reference(self, data_reference: Any) -> "DataPath":
        return DataPath(data_reference.datastore, data_reference.path_on_datastore, data_reference.data_reference_name)
