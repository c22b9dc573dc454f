#![no_main]
#![doc = "See `hostile::recovery_plan`."]

failover_fuzz::target!(recovery_plan);
