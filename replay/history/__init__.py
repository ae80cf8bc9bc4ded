"""A log lived again: in which order, through which policy, into which states; the audit."""
