from django.urls import path

from actions.api.backtests import BacktestInDetail, BacktestsView, CancelBacktest
from actions.api.coverage import CoverageOfRule
from actions.api.executions import ExecuteNow, ExecutionsOfRule, ExecutionsView
from actions.api.rules import Promotion, RuleInDetail, RulesView
from actions.api.simulation import SimulateDraft, SimulateRule
from actions.api.site import SiteMonitoring
from actions.api.status import MonitoringStatus, TriggerTypesView, Why

urlpatterns = [
    path("actions", RulesView.as_view()),
    path("actions/simulate", SimulateDraft.as_view()),
    path("actions/<uuid:action_id>", RuleInDetail.as_view()),
    path("actions/<uuid:action_id>/simulate", SimulateRule.as_view()),
    path("actions/<uuid:action_id>/execute-now", ExecuteNow.as_view()),
    path("actions/<uuid:action_id>/promote", Promotion.as_view()),
    path("actions/<uuid:action_id>/executions", ExecutionsOfRule.as_view()),
    path("actions/<uuid:action_id>/why", Why.as_view()),
    path("backtests", BacktestsView.as_view()),
    path("backtests/<uuid:backtest_id>", BacktestInDetail.as_view()),
    path("backtests/<uuid:backtest_id>/cancel", CancelBacktest.as_view()),
    path("actions/<uuid:action_id>/coverage", CoverageOfRule.as_view()),
    path("executions", ExecutionsView.as_view()),
    path("trigger-types", TriggerTypesView.as_view()),
    path("monitoring/status", MonitoringStatus.as_view()),
    path("monitoring/site", SiteMonitoring.as_view()),
]
