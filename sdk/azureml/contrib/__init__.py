"""Of Azure's `azureml.contrib` the part that entry scripts use."""
