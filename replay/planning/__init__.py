"""Planning: how many user-days would decide A against B, and what the exploration costs."""
