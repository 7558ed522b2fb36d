"""The yardsticks: simulated users, models and peers side by side, tables and pictures."""
