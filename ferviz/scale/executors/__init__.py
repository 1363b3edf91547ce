"""What schedules shards: `registry` lists the engines; each is a function from descriptors to receipts."""
