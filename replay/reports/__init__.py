"""What people read: the results folder, its table, its plots."""
