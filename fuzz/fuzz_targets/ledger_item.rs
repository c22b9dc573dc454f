#![no_main]
#![doc = "See `hostile::ledger_item`."]

failover_fuzz::target!(ledger_item);
