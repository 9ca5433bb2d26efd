from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.utils import timezone

from mlportal.access.models import ApiToken, workspace_name
from mlportal.access.roles import Role


def styled(form: forms.BaseForm) -> None:
    """Tabler's classes on each field, and the marks of those that have errors."""
    for name, field in form.fields.items():
        look = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
        invalid = " is-invalid" if form.is_bound and name in form.errors else ""
        field.widget.attrs.setdefault("class", look + invalid)


class LoginForm(AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        styled(self)


class ChangePasswordForm(PasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        styled(self)


class TokenForm(forms.Form):
    LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "Never"))

    name = forms.CharField(
        max_length=ApiToken._meta.get_field("name").max_length,
        widget=forms.TextInput(attrs={"placeholder": "notebook on my laptop", "autocomplete": "off"}),
    )
    lifetime = forms.ChoiceField(choices=LIFETIMES, required=False, initial="90", label="Ends after")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        styled(self)

    @property
    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["lifetime"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class MemberForm(forms.Form):
    username = forms.CharField(
        max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.CONTRIBUTOR)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        styled(self)


class WorkspaceForm(forms.Form):
    name = forms.CharField(
        max_length=63,
        validators=[workspace_name],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Letters, digits, hyphens and underscores. It is part of the workspace's addresses and does not change.",
    )
    description = forms.CharField(max_length=500, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        styled(self)
