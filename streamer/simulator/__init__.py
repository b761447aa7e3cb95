"""Three exchanges on loopback: WebSocket, REST, limits and scripted faults, written from the exchanges' documentation.

Stands on ``timing`` and ``domain`` alone, never on our adapters, so that a misreading there shows as a failing test.
"""
