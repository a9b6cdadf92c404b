"""What the shop's Python services share; nothing in here knows a particular service."""
