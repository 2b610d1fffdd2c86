"""Where input records come in: each topic has a desk that judges them and turns them into inputs of lifecycles."""
