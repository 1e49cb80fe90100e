"""Pictures that the common charts lack: geometry only, as inline SVG without script, in the colours of what became of a record."""
