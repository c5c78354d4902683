"""Money and shares in templates, written as everywhere else."""

from decimal import Decimal

from django import template

from portfolios.money import format_price, format_quantity, format_usd

register = template.Library()


@register.filter
def usd(amount: Decimal) -> str:
    return format_usd(amount)


@register.filter
def price(amount: Decimal) -> str:
    return format_price(amount)


@register.filter
def percent(number: Decimal) -> str:
    """One decimal with its sign: "+0.8 %"."""
    return f"{number:+,.1f} %"


@register.filter
def shares(quantity: Decimal) -> str:
    return format_quantity(quantity)


@register.filter
def size(number: Decimal) -> Decimal:
    """Without its sign, where words say which way it goes."""
    return abs(number)


@register.filter
def plain(number: Decimal) -> str:
    """With commas, and without zeros at its end: "12,500", "7.5"."""
    return f"{number.normalize():,f}"
