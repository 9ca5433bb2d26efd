from typing import Any

from django import forms

from models_registry.models import Watch


def _number(label: str, help_text: str, *, whole: bool = False, **limits: Any) -> Any:
    widget = forms.NumberInput(attrs={"class": "form-control", "step": "1" if whole else "any"})
    field = forms.IntegerField if whole else forms.FloatField
    return field(label=label, help_text=help_text, widget=widget, **limits)


class WatchForm(forms.Form):
    """How a service is watched."""

    sample_percent = _number("Requests that are kept, in percent", "0 keeps none, 100 all.", min_value=0, max_value=100)
    sample_rows = _number("Rows that are kept", "The newest ones.", whole=True, min_value=1)
    psi_warning = _number("PSI that warns", "0.1 is usual.", min_value=0)
    psi_alarm = _number("PSI that alarms", "0.25 is usual.", min_value=0)
    significance = _number("Significance of the tests", "Corrected for many columns.", min_value=0, max_value=1)
    least_rows = _number("Rows that are enough", "Fewer are not compared.", whole=True, min_value=10)

    @classmethod
    def of(cls, watch: Watch) -> "WatchForm":
        return cls(initial={name: getattr(watch, name) for name in cls.base_fields})
