"""Closed market candles from Binance, Bybit and OKX, stored once each in TimescaleDB or PostgreSQL."""

__version__ = "0.1.0"
