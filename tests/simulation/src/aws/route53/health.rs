//! Health checks: what Route 53's checkers have noticed.

use failover::contract::Timestamp;

use crate::aws::{routing_control, s3};
use crate::chance::Chance;
use crate::workload::{HOME, STANDBY, region_of_endpoint};

/// What a health check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The health endpoint of a Region.
    Endpoint(&'static str),
    /// The object that takes the traffic away from the primary record while it is there.
    StandbyObject,
    /// The routing control of a Region.
    Control(&'static str),
}

impl Watched {
    /// The seconds between two requests of a checker, and how many in a row decide; none for what is not requested.
    const fn pace(self) -> Option<(u64, u64)> {
        match self {
            Self::Endpoint(_) => Some((30, 3)),
            Self::StandbyObject => Some((10, 3)),
            Self::Control(_) => None,
        }
    }

    /// How long it takes until what changed counts, least and most, in milliseconds. The checkers begin at moments of
    /// their own; a routing control takes a few seconds.
    const fn notice_ms(self) -> (u64, u64) {
        match self.pace() {
            Some((interval, threshold)) => ((threshold - 1) * interval * 1_000, threshold * interval * 1_000),
            None => (0, 5_000),
        }
    }
}

/// That what a health check looks at answers from this moment on, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) at: Timestamp,
    pub(super) watched: Watched,
    pub(super) answers: bool,
}

/// A health check.
#[derive(Debug)]
pub(super) struct HealthCheck {
    pub(super) id: &'static str,
    pub(super) watched: Watched,
    /// Whether what it looks at answers.
    answers: bool,
    /// Whether it counts as healthy.
    pub(super) healthy: bool,
    /// When it will count as the opposite, unless what it looks at changes back before.
    turns_at: Option<Timestamp>,
}

impl HealthCheck {
    /// All of them, as they are while the home Region has the traffic.
    pub(super) fn all() -> Vec<Self> {
        let check = |id, watched| {
            let answers = !matches!(watched, Watched::StandbyObject | Watched::Control(STANDBY));
            let healthy = watched != Watched::Control(STANDBY);
            Self { id, watched, answers, healthy, turns_at: None }
        };
        vec![
            check("0d1f8f5c-0000-4000-8000-000000000001", Watched::Endpoint(HOME)),
            check("0d1f8f5c-0000-4000-8000-000000000002", Watched::Endpoint(STANDBY)),
            check("0d1f8f5c-0000-4000-8000-000000000003", Watched::StandbyObject),
            check("0d1f8f5c-0000-4000-8000-000000000004", Watched::Control(HOME)),
            check("0d1f8f5c-0000-4000-8000-000000000005", Watched::Control(STANDBY)),
        ]
    }

    const fn is_inverted(&self) -> bool {
        matches!(self.watched, Watched::StandbyObject)
    }

    /// What it looks at changed.
    pub(super) fn hear(&mut self, signal: Signal, chance: &mut Chance) {
        self.advance(signal.at);
        if signal.answers == self.answers {
            return;
        }
        self.answers = signal.answers;
        let wanted = signal.answers != self.is_inverted();
        let (least, most) = self.watched.notice_ms();
        self.turns_at = (wanted != self.healthy).then(|| signal.at.plus_millis(chance.between(least, most)));
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        if self.turns_at.is_some_and(|moment| moment <= now) {
            self.healthy = !self.healthy;
            self.turns_at = None;
        }
    }

    /// As `GetHealthCheck` has it.
    pub(super) fn config(&self) -> String {
        let https = |host: &str, path: &str| {
            let (interval, threshold) = self.watched.pace().unwrap_or_default();
            format!(
                "<Port>443</Port><Type>HTTPS</Type><ResourcePath>{path}</ResourcePath>\
                 <FullyQualifiedDomainName>{host}</FullyQualifiedDomainName><RequestInterval>{interval}</RequestInterval>\
                 <FailureThreshold>{threshold}</FailureThreshold><Inverted>{}</Inverted>",
                self.is_inverted()
            )
        };
        match self.watched {
            Watched::Endpoint(region) => {
                let host = ["primary.example.com", "standby.example.com"]
                    .into_iter()
                    .find(|host| region_of_endpoint(host) == Some(region));
                https(host.expect("an endpoint"), "/health")
            }
            Watched::StandbyObject => {
                https(&format!("{}.s3.{STANDBY}.amazonaws.com", s3::BUCKET), &format!("/{}", s3::KEY))
            }
            Watched::Control(region) => format!(
                "<Type>RECOVERY_CONTROL</Type><RoutingControlArn>{}</RoutingControlArn>",
                routing_control::control(region)
            ),
        }
    }
}
