"""From what PyTorch networks come as (a module, a checkpoint and its class, a program) to an engine and the input that it takes."""
