"""The same name, where Azure's SDK has its class."""

from azureml.core.compute import HDInsightCompute

__all__ = ["HDInsightCompute"]
