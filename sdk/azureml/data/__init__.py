"""`azureml.data` of the Azure ML SDK v1: datasets and what they are made from. Imported when first used."""

from azureml._lazy import lazy

__all__ = lazy(
    __name__,
    {
        "DataType": "azureml.data.dataset_factory",
        "FileDataset": "azureml.data.file_dataset",
        "OutputFileDatasetConfig": "azureml.data.output_dataset_config",
        "TabularDataset": "azureml.data.tabular_dataset",
    },
    {},
)
