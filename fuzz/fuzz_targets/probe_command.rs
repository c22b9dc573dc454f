#![no_main]
#![doc = "See `hostile::probe_command`."]

failover_fuzz::target!(probe_command);
