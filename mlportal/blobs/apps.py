from django.apps import AppConfig


class BlobsConfig(AppConfig):
    name = "mlportal.blobs"
    label = "blobs"
    verbose_name = "Stored bytes"
