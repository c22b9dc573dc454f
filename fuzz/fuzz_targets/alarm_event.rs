#![no_main]
#![doc = "See `hostile::alarm_event`."]

failover_fuzz::target!(alarm_event);
