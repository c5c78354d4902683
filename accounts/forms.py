"""How every form is written: Django's own rendering, with the templates of this site."""

from django.forms.renderers import TemplatesSetting


class OurRenderer(TemplatesSetting):
    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
