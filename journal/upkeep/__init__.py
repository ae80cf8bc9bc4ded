"""What an operator does with a live journal: inspect, export, prune, forget a user, back up."""
