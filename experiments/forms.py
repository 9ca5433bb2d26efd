from django import forms

from mlportal.access.forms import styled

WHY_AS_OF = (
    "Packages are taken as they were on that day. Scripts written in 2020 often need it: they call np.float or np.str, "
    "which NumPy removed in 2023. Empty: the newest packages, or the day in the file's own “# as-of:” comment."
)


class EnvironmentForm(forms.Form):
    name = forms.CharField(
        max_length=255,
        required=False,
        help_text="Empty: the name in the file. A name that exists gets a new version.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "my-environment"}),
    )
    definition = forms.CharField(
        label="Conda YAML",
        max_length=65_536,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 16,
                "class": "form-control font-monospace",
                "spellcheck": "false",
                "data-drop": "",
                "wrap": "off",
            }
        ),
    )
    as_of = forms.DateField(
        label="Resolve packages as of",
        required=False,
        help_text=WHY_AS_OF,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    build = forms.BooleanField(
        label="Build it right away",
        required=False,
        initial=True,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        styled(self)
