//! What happened in a run, line by line: the same seed gives the same bytes.

use failover::contract::Timestamp;
use failover::digest::sha256_hex;
use failover::testing::START;

/// The lines of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: Vec<String>,
}

impl Trace {
    /// Writes down what somebody did at a moment.
    pub fn note(&mut self, at: Timestamp, who: &str, what: impl AsRef<str>) {
        let since = at.millis_since(START);
        self.lines.push(format!("{:>6}.{:03} {who:<18} {}", since / 1000, since % 1000, what.as_ref()));
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The digest of all lines.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256_hex(&self.lines.join("\n"))
    }
}
