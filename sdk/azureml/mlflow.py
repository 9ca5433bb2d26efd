"""`import azureml.mlflow` of old scripts: mlflow speaks to the portal itself, there is nothing to set up."""
