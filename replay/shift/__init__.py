"""What changed between two logs. Not named `drift`: that is the function's name."""
