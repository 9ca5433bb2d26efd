#!/usr/bin/env python
"""Runs Django's and the portal's commands: `manage.py portal` starts everything."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlportal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except (
        ImproperlyConfigured
    ) as error:  # it names the variable and says what it takes: where it was raised tells nothing
        sys.exit(f"mlportal: {error}")
