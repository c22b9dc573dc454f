//! What the things seen say of the source Region. Pure.
//!
//! Two rules stand above the single kinds. What cannot be read is unknown, never unhealthy; and silence of the other
//! side counts only when an answer from AWS has proven, in the same look, that this side's own network works.

use failover::aws_call::{CallError, Meaning};
use failover::contract::{Evidence, EvidenceKind, Health, Region, Timestamp};
use failover::telemetry::metrics::NAMESPACE;

use crate::http_probe::Answer;
use crate::watch::METRIC;

/// The longest detail, in characters: samples travel through the state machine's payload.
const LONGEST_DETAIL: usize = 240;

/// The plan's alarms, or why they cannot be read.
pub(crate) type AlarmsSeen = Result<Vec<AlarmSeen>, CallError>;
/// The source's place in a global cluster; none when AWS does not list the cluster.
pub(crate) type GlobalSeen = Result<Option<Topology>, CallError>;
/// The source cluster's status; none when AWS does not list the cluster.
pub(crate) type SourceSeen = Result<Option<String>, CallError>;
/// The newest reading of the lag; none when there is no recent one.
pub(crate) type LagSeen = Result<Option<LagReading>, CallError>;

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlarmSeen {
    /// Its name.
    pub(crate) name: String,
    /// Its ARN.
    pub(crate) arn: String,
    /// Its state.
    pub(crate) state: AlarmState,
    /// Whose measurements it stands on; for a composite alarm those of its parts that are in ALARM.
    pub(crate) rests_on: Vec<EvidenceKind>,
}

impl AlarmSeen {
    /// Whether a composite alarm's rule means this alarm, by name or ARN.
    pub(crate) fn is_called(&self, name_or_arn: &str) -> bool {
        self.name == name_or_arn || self.arn == name_or_arn
    }
}

/// An alarm's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlarmState {
    /// `OK`.
    Ok,
    /// `ALARM`.
    Alarm,
    /// `INSUFFICIENT_DATA`, or a state that is not known here.
    Undecided,
}

/// The source cluster's place in its global cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// It is the writer.
    Writer,
    /// It is not the writer any more.
    Reader,
    /// It does not belong to the global cluster.
    NotAMember,
    /// A switchover or failover is under way, in this status.
    Changing(String),
}

/// A reading of the replication lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LagReading {
    /// In milliseconds.
    pub(crate) ms: u64,
    /// When it was measured.
    pub(crate) at: Timestamp,
}

/// One of the plan's Aurora Global Databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuroraSeen {
    /// The global cluster's id.
    pub(crate) name: String,
    /// As this Region sees the global cluster.
    pub(crate) global: GlobalSeen,
    /// As the source Region sees its own cluster.
    pub(crate) source: SourceSeen,
    /// How far the target's cluster is behind.
    pub(crate) lag: LagSeen,
}

/// How far the target Region's clusters are behind: the one that is furthest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lag {
    /// The plan has no Aurora.
    NotReplicated,
    /// At least one cluster's lag could not be read, and why.
    Unknown(String),
    /// The newest reading.
    Reading {
        /// In milliseconds.
        ms: u64,
        /// When it was measured.
        at: Timestamp,
    },
}

impl Lag {
    /// In milliseconds, if it is known.
    pub(crate) fn ms(&self) -> Option<u64> {
        match self {
            Self::Reading { ms, .. } => Some(*ms),
            Self::NotReplicated | Self::Unknown(_) => None,
        }
    }
}

/// Which kind of evidence makes the measurement that an alarm stands on. Alarms on other metrics are witnesses of
/// their own.
pub(crate) fn measured_by(namespace: &str, metric: &str) -> EvidenceKind {
    match (namespace, metric) {
        (NAMESPACE, METRIC) => EvidenceKind::Endpoint,
        ("AWS/RDS", lag) if lag.starts_with("AuroraGlobalDB") => EvidenceKind::Aurora,
        _ => EvidenceKind::Alarms,
    }
}

/// The names or ARNs of the alarms that a composite alarm's rule has in `ALARM(…)`.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html>
pub(crate) fn children_in_rule(rule: &str) -> Vec<String> {
    let mut children = Vec::new();
    let mut rest = rule;
    while let Some((_, after)) = rest.split_once("ALARM(") {
        let after = after.trim_start();
        let (child, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(')').unwrap_or((after, "")),
        };
        children.push(child.trim().to_owned());
        rest = left;
    }
    children
}

/// The name in an alarm's ARN; a name is its own.
pub(crate) fn name_of_alarm(name_or_arn: &str) -> &str {
    crate::settings::alarm_arn(name_or_arn).map_or(name_or_arn, |(_, _, name)| name)
}

/// What a composite alarm stands on: the measurements of those of its parts that are in ALARM.
pub(crate) fn composite_rests_on(children: &[String], parts: &[AlarmSeen]) -> Vec<EvidenceKind> {
    let firing = parts.iter().filter(|part| part.state == AlarmState::Alarm);
    let of_rule = firing.filter(|part| children.iter().any(|child| part.is_called(child)));
    distinct(of_rule.flat_map(|part| part.rests_on.clone()))
}

/// A metric's value in whole milliseconds, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and negative lag is none")]
pub(crate) fn whole_millis(value: f64) -> u64 {
    value.ceil() as u64
}

/// What the alarms say.
pub(crate) fn of_alarms(expected: &[String], seen: &AlarmsSeen) -> Evidence {
    let say = |health, rests_on, detail| evidence(EvidenceKind::Alarms, health, rests_on, detail);
    if expected.is_empty() {
        return say(Health::Unknown, Vec::new(), "the plan names no alarms".to_owned());
    }
    let alarms = match seen {
        Ok(alarms) => alarms,
        Err(error) => return say(Health::Unknown, Vec::new(), format!("the alarms cannot be read: {error}")),
    };
    let in_state = |state| alarms.iter().filter(move |alarm| alarm.state == state);
    let firing: Vec<&str> = in_state(AlarmState::Alarm).map(|alarm| alarm.name.as_str()).collect();
    if !firing.is_empty() {
        let rests_on = distinct(in_state(AlarmState::Alarm).flat_map(|alarm| alarm.rests_on.clone()));
        return say(Health::Unhealthy, rests_on, format!("in ALARM: {}", firing.join(", ")));
    }
    let missing: Vec<&str> =
        expected.iter().filter(|name| !alarms.iter().any(|alarm| alarm.name == **name)).map(String::as_str).collect();
    if !missing.is_empty() {
        return say(Health::Unknown, Vec::new(), format!("no such alarm: {}", missing.join(", ")));
    }
    let undecided: Vec<&str> = in_state(AlarmState::Undecided).map(|alarm| alarm.name.as_str()).collect();
    if undecided.is_empty() {
        say(Health::Healthy, Vec::new(), format!("OK: {}", expected.join(", ")))
    } else {
        say(Health::Unknown, Vec::new(), format!("without data: {}", undecided.join(", ")))
    }
}

/// What the endpoint's answer says. `Err` is a URL that cannot be asked.
pub(crate) fn of_endpoint(answer: &Result<Answer, String>, network_proven: bool) -> Evidence {
    let say = |health, detail: String| {
        let rests_on = if health == Health::Unhealthy { vec![EvidenceKind::Endpoint] } else { Vec::new() };
        evidence(EvidenceKind::Endpoint, health, rests_on, detail)
    };
    match answer {
        Err(problem) => say(Health::Unknown, problem.clone()),
        Ok(answer) if answer.is_healthy() => say(Health::Healthy, answer.to_string()),
        Ok(answer @ Answer::Status { status: 500.., .. }) => say(Health::Unhealthy, answer.to_string()),
        // Something serves there, and refuses this request or sends it elsewhere: a wrong path, a firewall, a limit.
        // That speaks for a wrong probe at least as much as for a lost Region.
        Ok(answer @ Answer::Status { .. }) => say(Health::Unknown, format!("{answer}, which tells nothing")),
        Ok(answer @ Answer::Silence(_)) if network_proven => say(Health::Unhealthy, answer.to_string()),
        Ok(answer @ Answer::Silence(_)) => {
            say(Health::Unknown, format!("{answer}; nor did AWS here, so it may be this side's network"))
        }
    }
}

/// What Aurora says: unhealthy when any cluster is, healthy when all are.
pub(crate) fn of_aurora(seen: &[AuroraSeen], source: &Region, max_lag_ms: u64, network_proven: bool) -> Evidence {
    if seen.is_empty() {
        return evidence(EvidenceKind::Aurora, Health::Unknown, Vec::new(), "the plan has no Aurora".to_owned());
    }
    let each: Vec<(Health, String)> =
        seen.iter().map(|cluster| of_cluster(cluster, source, max_lag_ms, network_proven)).collect();
    let health = [Health::Unhealthy, Health::Unknown]
        .into_iter()
        .find(|wanted| each.iter().any(|(health, _)| health == wanted))
        .unwrap_or(Health::Healthy);
    let telling = each.into_iter().filter(|(of_one, _)| *of_one == health);
    let detail: Vec<String> = telling.map(|(_, detail)| detail).collect();
    let rests_on = if health == Health::Unhealthy { vec![EvidenceKind::Aurora] } else { Vec::new() };
    evidence(EvidenceKind::Aurora, health, rests_on, detail.join("; "))
}

fn of_cluster(seen: &AuroraSeen, source: &Region, max_lag_ms: u64, network_proven: bool) -> (Health, String) {
    let name = &seen.name;
    // Whatever its state: a cluster that is no longer the writer, or is about to hand over, is no evidence for leaving
    // its Region. Somebody else is at work, or has been.
    let moved = match &seen.global {
        Ok(Some(Topology::Changing(status))) => Some(format!("{name} is {status}")),
        Ok(Some(Topology::Reader)) => Some(format!("{name}'s cluster in {source} is not the writer")),
        Ok(Some(Topology::NotAMember)) => Some(format!("{name} has no member in {source}")),
        Ok(Some(Topology::Writer) | None) | Err(_) => None,
    };
    if let Some(detail) = moved {
        return (Health::Unknown, detail);
    }
    let state = of_source(seen, source, network_proven);
    if state.0 == Health::Unhealthy {
        return state;
    }
    match &seen.lag {
        Ok(Some(reading)) if reading.ms >= max_lag_ms => {
            (Health::Unhealthy, format!("{name} lags by {} ms, {max_lag_ms} are allowed", reading.ms))
        }
        _ if state.0 == Health::Unknown => state,
        Ok(Some(reading)) => match &seen.global {
            Ok(Some(_)) => (Health::Healthy, format!("{}, lag {} ms", state.1, reading.ms)),
            Ok(None) => (Health::Unknown, format!("no global cluster {name}")),
            Err(error) => (Health::Unknown, format!("{name} cannot be read: {error}")),
        },
        Ok(None) => (Health::Unknown, format!("{}, lag without a recent reading", state.1)),
        Err(error) => (Health::Unknown, format!("{}, lag cannot be read: {error}", state.1)),
    }
}

fn of_source(seen: &AuroraSeen, source: &Region, network_proven: bool) -> (Health, String) {
    let name = &seen.name;
    match &seen.source {
        Ok(Some(status)) => (of_status(status), format!("{name} is {status} in {source}")),
        Ok(None) => (Health::Unknown, format!("no cluster of {name} in {source}")),
        Err(error) => match error.meaning {
            Meaning::Unreachable if network_proven => (Health::Unhealthy, format!("{source}: {error}")),
            // An answer of 5xx came from there, so this side's network is not in question.
            Meaning::Unavailable => (Health::Unhealthy, format!("{source}: {error}")),
            Meaning::Unreachable
            | Meaning::Throttled
            | Meaning::Denied
            | Meaning::Conflict
            | Meaning::NotFound
            | Meaning::Invalid => (Health::Unknown, format!("{source}: {error}")),
        },
    }
}

/// What a DB cluster's status says of whether it serves. Those that are not listed tell nothing either way.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html#Aurora.Status>
fn of_status(status: &str) -> Health {
    match status {
        "available" | "backing-up" | "modifying" | "storage-optimization" | "update-iam-db-auth" => Health::Healthy,
        "creating"
        | "deleting"
        | "failed"
        | "failing-over"
        | "inaccessible-encryption-credentials"
        | "inaccessible-encryption-credentials-recoverable"
        | "migration-failed"
        | "starting"
        | "stopped"
        | "stopping" => Health::Unhealthy,
        _ => Health::Unknown,
    }
}

/// The lag of the cluster that is furthest behind; unknown when any is.
pub(crate) fn furthest(seen: &[AuroraSeen]) -> Lag {
    let mut furthest: Option<LagReading> = None;
    for cluster in seen {
        let reading = match &cluster.lag {
            Ok(Some(reading)) => *reading,
            Ok(None) => return Lag::Unknown(format!("{}: no reading of the last 15 minutes", cluster.name)),
            Err(error) => return Lag::Unknown(format!("{}: {error}", cluster.name)),
        };
        furthest = furthest.filter(|other| other.ms >= reading.ms).or(Some(reading));
    }
    furthest.map_or(Lag::NotReplicated, |LagReading { ms, at }| Lag::Reading { ms, at })
}

fn distinct(kinds: impl Iterator<Item = EvidenceKind>) -> Vec<EvidenceKind> {
    kinds.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn evidence(kind: EvidenceKind, health: Health, rests_on: Vec<EvidenceKind>, detail: String) -> Evidence {
    let detail = if detail.chars().count() > LONGEST_DETAIL {
        detail.chars().take(LONGEST_DETAIL).chain(['…']).collect()
    } else {
        detail
    };
    Evidence { kind, health, rests_on, detail }
}
