from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "mlportal.api"
    label = "api"
    verbose_name = "JSON API"
