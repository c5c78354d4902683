"""A file of rules, as a form asks for it."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from actions.bulk.reading import LARGEST_FILE

_MEGABYTES = LARGEST_FILE // 1024**2


def _not_too_large(file: "UploadedFile[Any]") -> None:
    if (file.size or 0) > LARGEST_FILE:
        raise ValidationError(f"The file is larger than {_MEGABYTES} MB. Split it.")


class RulesFile(forms.FileField):
    """What is wrong with the file itself, the report of its import says."""

    default_validators = [_not_too_large]

    def __init__(self) -> None:
        super().__init__(
            label="File",
            allow_empty_file=True,
            help_text=f"CSV, JSON or JSON lines, in UTF-8, at most {_MEGABYTES} MB. "
            "Nothing is changed before you have seen what it would do.",
            error_messages={"required": "Choose a file first."},
        )
