"""`azureml.contrib.services`: requests and answers of entry scripts that want HTTP as it is."""
