"""What a log shows of policies that were served or ran beside one: experiments and shadows."""
