"""The ASGI application that answers for deployed models."""

from models_registry.serving.gateway.app import Gateway
from models_registry.serving.gateway.contracts import Limits, Recorder, RequestRecord, Route, Routes, Target
from models_registry.serving.gateway.dispatcher import Dispatcher
from models_registry.serving.gateway.errors import GatewayError

__all__ = ["Dispatcher", "Gateway", "GatewayError", "Limits", "Recorder", "RequestRecord", "Route", "Routes", "Target"]
