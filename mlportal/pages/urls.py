from django.urls import path

from mlportal.pages import views

urlpatterns = [
    path("", views.home, name="home"),
]
