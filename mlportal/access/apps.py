from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "mlportal.access"
    label = "access"
    verbose_name = "People and access"
