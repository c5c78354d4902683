from django.urls import path

from actions.overview import dashboard, log, portfolio, stock, trade

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("value", dashboard.value, name="value"),
    path("value.json", dashboard.value_data, name="value-data"),
    path("portfolio", portfolio.primary, name="portfolio"),
    path("portfolio/<uuid:portfolio_id>", portfolio.one, name="one-portfolio"),
    path("portfolio/<uuid:portfolio_id>/trade", trade.trade_now, name="trade"),
    path("trade", trade.trade_primary, name="trade-primary"),
    path("stocks", stock.search, name="stocks"),
    path("stocks/<path:symbol>", stock.stock, name="stock"),
    path("log", log.log, name="log"),
    path("log.csv", log.log_csv, name="log-csv"),
]
