//! The client's side: a resolver that asks one server and caches what it says for as long as the TTL allows.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::error::{Error, Result};

/// How long the server may take to answer; it is on the same machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How often it is asked again.
const ATTEMPTS: usize = 1;
/// More names than a drill has.
const CACHED_NAMES: u64 = 1024;

/// A caching resolver. Clones share the cache.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver that asks `server` only, by UDP. It knows neither search domains nor the machine's settings.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when the resolver cannot be made.
    pub fn new(server: SocketAddr) -> Result<Self> {
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let name_server = NameServerConfig::new(server.ip(), true, vec![connection]);
        let config = ResolverConfig::from_name_servers(vec![name_server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = ANSWER_LIMIT;
        options.attempts = ATTEMPTS;
        options.cache_size = CACHED_NAMES;
        let inner = builder.build().map_err(|error| Error::Unexpected(format!("making a resolver: {error}")))?;
        Ok(Self { inner })
    }

    /// The first IPv4 address of a name.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when there is no answer, no such name, or no address.
    pub async fn address(&self, name: &str) -> Result<Ipv4Addr> {
        // With the dot at the end it is the whole name.
        let whole = format!("{}.", name.trim_end_matches('.'));
        let found = self.inner.lookup(whole, RecordType::A).await;
        let found = found.map_err(|error| Error::Unexpected(format!("looking {name} up: {error}")))?;
        let address = |data: &RData| if let RData::A(address) = data { Some(address.0) } else { None };
        let first = found.answers().iter().find_map(|record| address(&record.data));
        first.ok_or_else(|| Error::Unexpected(format!("looking {name} up: it has no IPv4 address")))
    }
}
