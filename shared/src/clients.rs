//! How SDK clients are configured: Region, timeouts, retries, credentials, time. The only place that does.
//!
//! The configuration is put together by hand from [`Access`]: Lambda gives Region and credentials in the environment,
//! and the loader crate of the SDK would bring STS, SSO and profile files into every cold start.

use std::time::Duration;

use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region as SdkRegion;

use crate::config::{Access, Config};
use crate::contract::Region;
use crate::env::Env;

/// How long a TCP connection may take. A Region that is gone mostly does not refuse, it is silent.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the SDK sends a read, the first time included.
pub const READ_ATTEMPTS: u32 = 3;

/// Configurations for SDK clients.
#[derive(Clone, Debug)]
pub struct Clients {
    access: Access,
    env: Env,
    http: SharedHttpClient,
}

impl Clients {
    /// For the real network.
    #[must_use]
    pub fn new(config: &Config, env: &Env) -> Self {
        Self::of(config.access.clone(), env)
    }

    /// For the real network, in a function that is not one of the orchestrator's.
    #[must_use]
    pub fn of(access: Access, env: &Env) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc)).build_https();
        Self { access, env: env.clone(), http }
    }

    /// Over another HTTP client: a replay, or a simulated AWS.
    #[must_use]
    pub fn with_http_client(config: &Config, env: &Env, http: SharedHttpClient) -> Self {
        Self { access: config.access.clone(), env: env.clone(), http }
    }

    /// For reads, and for compare-and-set writes to the ledger: the SDK retries them.
    #[must_use]
    pub fn reading(&self, region: &Region) -> SdkConfig {
        let attempt = self.access.call_timeout / 2;
        self.build(region, RetryConfig::standard().with_max_attempts(READ_ATTEMPTS), attempt)
    }

    /// For changes, whose outcome has to be observed before they are sent again, and for reads in a Region that may be
    /// gone, where an answer is wanted soon: no retries.
    #[must_use]
    pub fn once(&self, region: &Region) -> SdkConfig {
        self.build(region, RetryConfig::disabled(), self.access.call_timeout)
    }

    /// The HTTP client itself, for the probe of health endpoints.
    #[must_use]
    pub fn http(&self) -> SharedHttpClient {
        self.http.clone()
    }

    fn build(&self, region: &Region, retry: RetryConfig, attempt_timeout: Duration) -> SdkConfig {
        let credentials = &self.access.credentials;
        let credentials = AwsCredentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.session_token.clone(),
            None,
            "Lambda environment",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(attempt_timeout)
            .operation_attempt_timeout(attempt_timeout)
            .operation_timeout(self.access.call_timeout)
            .build();
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(SdkRegion::new(region.as_str().to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(self.http.clone())
            .sleep_impl(self.env.sleep_impl())
            .time_source(self.env.clock())
            .retry_config(retry)
            .timeout_config(timeouts);
        // Shows in CloudTrail's user agent which function made a call.
        builder.set_app_name(AppName::new(self.access.function_name.clone()).ok());
        builder.set_endpoint_url(self.access.endpoint_url.clone());
        builder.build()
    }
}
