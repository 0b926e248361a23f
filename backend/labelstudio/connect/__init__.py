"""Connecting a project of Label Studio to this service."""

from backend.finding import Finding, Severity
from backend.labelstudio.connect.connection import check, configure, plan_connection
from backend.labelstudio.connect.disconnection import Plan, disconnect, plan_disconnection
from backend.labelstudio.connect.inspection import Intention
from backend.labelstudio.connect.options import UNCERTAINTY
from backend.labelstudio.connect.own_service import BACKEND_TITLE, OwnService
from backend.labelstudio.connect.record import Record
from backend.labelstudio.connect.tab import TAB_TITLE

__all__ = [
    "BACKEND_TITLE",
    "TAB_TITLE",
    "UNCERTAINTY",
    "Finding",
    "Intention",
    "OwnService",
    "Plan",
    "Record",
    "Severity",
    "check",
    "configure",
    "disconnect",
    "plan_connection",
    "plan_disconnection",
]
