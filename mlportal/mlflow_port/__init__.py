"""Moves what an MLflow has into a workspace, and what a workspace has into an MLflow: `manage.py import_mlflow`, `export_mlflow`."""
