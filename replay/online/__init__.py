"""What a server measured while it served: policies in shadow."""
