"""The options that several commands share, one frozen dataclass a group."""
