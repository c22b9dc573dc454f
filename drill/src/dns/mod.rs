//! A DNS server on loopback that answers for a hosted zone as Route 53 would, and the caching resolver of its clients.
//!
//! Record sets and health checks are those that the zone has in the emulator, read again and again
//! ([`server::REFRESH_INTERVAL`]). Health is found out as Route 53 finds it out, by looking, in real time. Simpler than
//! Route 53:
//!
//! - One checker looks for each health check, once per `RequestInterval`. Route 53 has several in each of eight Regions and
//!   counts an endpoint as healthy while more than 18 % of them do. So a failure is noticed here between
//!   `FailureThreshold` - 1 and `FailureThreshold` intervals after it, depending on when the next look is.
//! - Looks and clients use plain HTTP, and every name that leads out of the zone is reached at one port.
//! - A changed record set is answered at the next reading, not up to 60 s later.
//! - Of weighted records always the heaviest healthy one answers. Routing by latency, place and so on is refused, and so
//!   are health checks that search for a string, watch an alarm or a routing control.
//! - Questions for A, AAAA and CNAME are answered, over UDP. Negative answers have no SOA, so nobody caches them.
//! - It answers for names outside of the zone, too, as a recursive resolver in front of Route 53 would.

pub mod answer;
mod checker;
pub mod control_plane;
pub mod health;
pub mod resolver;
pub mod server;
#[cfg(test)]
pub(crate) mod testing;
pub mod zone;

pub use resolver::Resolver;
pub use server::{Change, Dns};

/// Names outside of the hosted zone: load balancers, APIs, buckets. Given in lower case, without the dot at the end.
pub trait Outside: Send + Sync {
    /// The loopback address that the name leads to; none when there is no such name.
    fn address(&self, name: &str) -> Option<std::net::Ipv4Addr>;

    /// Whether what stands there counts as healthy for an alias with `EvaluateTargetHealth`: for a load balancer, whether
    /// it has a healthy target.
    fn is_healthy(&self, name: &str) -> bool;
}
