#![no_main]
#![doc = "See `hostile::region_switch_event`."]

failover_fuzz::target!(region_switch_event);
