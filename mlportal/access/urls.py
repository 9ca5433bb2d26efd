"""Signing in, one's own account, and the members of a workspace."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from mlportal.access import views

urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/password/", views.PasswordChange.as_view(), name="password-change"),
    path("account/tokens/", views.tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", views.token_revoke, name="token-revoke"),
    path("workspaces/new/", views.workspace_new, name="workspace-new"),
    path("w/<str:workspace>/members/", views.members, name="members"),
    path("w/<str:workspace>/members/set/", views.member_set, name="member-set"),
    path("w/<str:workspace>/members/<int:pk>/remove/", views.member_remove, name="member-remove"),
]
