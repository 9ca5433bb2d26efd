from django.urls import path

from mlportal.pages import sdk, views

urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", views.favicon),
    path("sdk/", sdk.index, name="sdk"),
    path("sdk/<str:name>", sdk.wheel, name="sdk-wheel"),
]
