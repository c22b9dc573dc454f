#![no_main]
#![doc = "See `hostile::step_request`."]

failover_fuzz::target!(step_request);
