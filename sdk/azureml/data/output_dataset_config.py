"""`azureml.data.output_dataset_config`: imports pass, and the line that makes one says what to do instead."""

from typing import Any

from azureml.exceptions import NotSupportedError

__all__ = ["HDFSOutputDatasetConfig", "OutputFileDatasetConfig"]


class OutputFileDatasetConfig:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotSupportedError(
            "{} is not supported here: write to ./outputs, which the portal keeps, and make a Dataset of what "
            "run.download_files brings".format(type(self).__name__)
        )


class HDFSOutputDatasetConfig(OutputFileDatasetConfig):
    pass
