#!/usr/bin/env python
"""Runs Django's and the portal's commands: `manage.py portal` starts everything."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlportal.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
