//! What the things seen say of the source Region. Pure.
//!
//! Two rules stand above the single kinds. What cannot be read is unknown, never unhealthy; and silence of the other
//! side counts only when an answer from AWS has proven, in the same look, that this side's own network works.

use failover::aws_call::{CallError, Meaning};
use failover::contract::{Evidence, EvidenceKind, Health, Region, Timestamp};
use failover::telemetry::metrics::NAMESPACE;

use crate::http_probe::Answer;
use crate::watch::{ENDPOINT_METRIC, REGION_METRIC};

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
        (NAMESPACE, ENDPOINT_METRIC) => EvidenceKind::Endpoint,
        // The same question to the same API as the look at the source's cluster.
        (NAMESPACE, REGION_METRIC) => EvidenceKind::Aurora,
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
            | Meaning::Forbidden
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
pub(crate) fn furthest(seen: &[(String, LagSeen)]) -> Lag {
    let mut furthest: Option<LagReading> = None;
    for (name, lag) in seen {
        let reading = match lag {
            Ok(Some(reading)) => *reading,
            Ok(None) => return Lag::Unknown(format!("{name}: no reading of the last 15 minutes")),
            Err(error) => return Lag::Unknown(format!("{name}: {error}")),
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

#[cfg(test)]
mod tests {
    use failover::aws_call::Sent;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_233_600_000);

    fn failed(meaning: Meaning) -> CallError {
        CallError {
            service: "rds",
            operation: "DescribeDBClusters",
            code: "X".to_owned(),
            message: "y".to_owned(),
            meaning,
            sent: Sent::PossiblyApplied,
        }
    }

    fn alarm(name: &str, state: AlarmState, rests_on: &[EvidenceKind]) -> AlarmSeen {
        let arn = format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name}");
        AlarmSeen { name: name.to_owned(), arn, state, rests_on: rests_on.to_vec() }
    }

    fn frankfurt() -> Region {
        Region::parse("eu-central-1").expect("a Region")
    }

    fn well() -> AuroraSeen {
        AuroraSeen {
            name: "trading".to_owned(),
            global: Ok(Some(Topology::Writer)),
            source: Ok(Some("available".to_owned())),
            lag: Ok(Some(LagReading { ms: 120, at: NOW })),
        }
    }

    fn aurora(seen: AuroraSeen) -> Health {
        of_aurora(&[seen], &frankfurt(), 60_000, true).health
    }

    #[test]
    fn one_alarm_in_alarm_is_unhealthy_and_all_ok_is_healthy() {
        let expected = ["a".to_owned(), "b".to_owned()];
        let of = |states: [AlarmState; 2]| {
            let alarms = vec![alarm("a", states[0], &[]), alarm("b", states[1], &[])];
            of_alarms(&expected, &Ok(alarms)).health
        };
        assert_eq!(of([AlarmState::Ok, AlarmState::Ok]), Health::Healthy);
        assert_eq!(of([AlarmState::Ok, AlarmState::Undecided]), Health::Unknown);
        for other in [AlarmState::Ok, AlarmState::Alarm, AlarmState::Undecided] {
            assert_eq!(of([AlarmState::Alarm, other]), Health::Unhealthy);
        }
    }

    #[test]
    fn alarms_that_are_missing_not_named_or_unreadable_are_unknown() {
        let expected = ["a".to_owned(), "b".to_owned()];
        let missing = of_alarms(&expected, &Ok(vec![alarm("a", AlarmState::Ok, &[])]));
        assert_eq!((missing.health, missing.detail.as_str()), (Health::Unknown, "no such alarm: b"));
        assert_eq!(of_alarms(&[], &Ok(Vec::new())).health, Health::Unknown);
        for meaning in Meaning::ALL {
            assert_eq!(of_alarms(&expected, &Err(failed(meaning))).health, Health::Unknown, "{meaning:?}");
        }
    }

    #[test]
    fn alarms_rest_on_what_those_in_alarm_measure_and_on_nothing_else() {
        let alarms = vec![
            alarm("a", AlarmState::Alarm, &[EvidenceKind::Endpoint]),
            alarm("b", AlarmState::Ok, &[EvidenceKind::Aurora]),
            alarm("c", AlarmState::Alarm, &[EvidenceKind::Endpoint]),
        ];
        let evidence = of_alarms(&["a".to_owned()], &Ok(alarms));
        assert_eq!(evidence.rests_on, [EvidenceKind::Endpoint]);
        assert_eq!(evidence.detail, "in ALARM: a, c");
    }

    #[test]
    fn an_alarm_on_the_probes_own_metric_or_on_the_lag_measures_nothing_new() {
        assert_eq!(measured_by("Failover", "EndpointHealthy"), EvidenceKind::Endpoint);
        assert_eq!(measured_by("Failover", "SourceRegionAnswers"), EvidenceKind::Aurora);
        assert_eq!(measured_by("AWS/RDS", "AuroraGlobalDBReplicationLag"), EvidenceKind::Aurora);
        assert_eq!(measured_by("AWS/RDS", "AuroraGlobalDBRPOLag"), EvidenceKind::Aurora);
        assert_eq!(measured_by("AWS/RDS", "CPUUtilization"), EvidenceKind::Alarms);
        assert_eq!(measured_by("AWS/Route53", "HealthCheckStatus"), EvidenceKind::Alarms);
    }

    #[test]
    fn the_parts_of_a_composite_alarm_are_found_by_name_and_by_arn() {
        let arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:c";
        for (rule, children) in [
            ("ALARM(\"a\") AND ALARM(\"b b\")", vec!["a", "b b"]),
            ("ALARM(a) OR (NOT OK(b) AND ALARM( \"c\" ))", vec!["a", "c"]),
            (&format!("ALARM({arn})"), vec![arn]),
            ("TRUE", vec![]),
            ("ALARM(\"never closed", vec!["never closed"]),
        ] {
            assert_eq!(children_in_rule(rule), children, "{rule}");
        }
        assert_eq!(name_of_alarm(arn), "c");
        assert_eq!(name_of_alarm("c"), "c");
    }

    #[test]
    fn a_composite_alarm_rests_on_those_of_its_parts_that_are_in_alarm() {
        let parts = [
            alarm("a", AlarmState::Alarm, &[EvidenceKind::Endpoint]),
            alarm("b", AlarmState::Ok, &[EvidenceKind::Aurora]),
            alarm("other", AlarmState::Alarm, &[EvidenceKind::Alarms]),
        ];
        let rests_on = |children: &[&str]| {
            composite_rests_on(&children.iter().map(|child| (*child).to_owned()).collect::<Vec<_>>(), &parts)
        };
        assert_eq!(rests_on(&["a", "b"]), [EvidenceKind::Endpoint]);
        assert_eq!(rests_on(&[&parts[0].arn]), [EvidenceKind::Endpoint]);
        assert_eq!(rests_on(&["unknown"]), []);
    }

    #[test]
    fn only_2xx_is_healthy_and_only_5xx_is_an_unhealthy_answer() {
        for network_proven in [true, false] {
            for (statuses, health) in [
                (vec![200, 204, 299], Health::Healthy),
                (vec![301, 307, 400, 401, 403, 404, 429], Health::Unknown),
                (vec![500, 502, 503, 504, 599], Health::Unhealthy),
            ] {
                for status in statuses {
                    let evidence = of_endpoint(&Ok(Answer::Status { status, took_ms: 5 }), network_proven);
                    assert_eq!(evidence.health, health, "{status}");
                }
            }
        }
    }

    #[test]
    fn an_endpoint_is_a_witness_only_when_it_is_unhealthy() {
        let rests_on = |status| of_endpoint(&Ok(Answer::Status { status, took_ms: 5 }), true).rests_on;
        assert_eq!((rests_on(200), rests_on(404), rests_on(503)), (vec![], vec![], vec![EvidenceKind::Endpoint]));
    }

    #[test]
    fn a_detail_is_cut_when_it_is_too_long_and_not_before() {
        let cut = |length: usize| of_endpoint(&Err("é".repeat(length)), true).detail;
        assert_eq!(cut(LONGEST_DETAIL), "é".repeat(LONGEST_DETAIL));
        assert_eq!(cut(LONGEST_DETAIL + 1), format!("{}…", "é".repeat(LONGEST_DETAIL)));
    }

    #[test]
    fn a_silent_endpoint_is_unhealthy_only_when_this_sides_network_is_proven() {
        let silent = Ok(Answer::Silence("refused".to_owned()));
        assert_eq!(of_endpoint(&silent, true).health, Health::Unhealthy);
        assert_eq!(of_endpoint(&silent, false).health, Health::Unknown);
        assert_eq!(of_endpoint(&Err("no URL".to_owned()), true).health, Health::Unknown);
    }

    #[test]
    fn aurora_is_healthy_only_when_everything_is_known_and_fine() {
        assert_eq!(aurora(well()), Health::Healthy);
        for meaning in Meaning::ALL {
            assert_eq!(aurora(AuroraSeen { global: Err(failed(meaning)), ..well() }), Health::Unknown);
            assert_eq!(aurora(AuroraSeen { lag: Err(failed(meaning)), ..well() }), Health::Unknown);
        }
        assert_eq!(aurora(AuroraSeen { global: Ok(None), ..well() }), Health::Unknown);
        assert_eq!(aurora(AuroraSeen { lag: Ok(None), ..well() }), Health::Unknown);
        assert_eq!(aurora(AuroraSeen { source: Ok(None), ..well() }), Health::Unknown);
        assert_eq!(of_aurora(&[], &frankfurt(), 60_000, true).health, Health::Unknown);
    }

    #[test]
    fn a_source_api_that_fails_is_unhealthy_and_one_that_says_no_is_unknown() {
        for meaning in Meaning::ALL {
            let health = aurora(AuroraSeen { source: Err(failed(meaning)), ..well() });
            let expected = match meaning {
                Meaning::Unreachable | Meaning::Unavailable => Health::Unhealthy,
                Meaning::Throttled
                | Meaning::Denied
                | Meaning::Conflict
                | Meaning::Forbidden
                | Meaning::NotFound
                | Meaning::Invalid => Health::Unknown,
            };
            assert_eq!(health, expected, "{meaning:?}");
        }
        let silent = AuroraSeen { source: Err(failed(Meaning::Unreachable)), ..well() };
        let unproven = of_aurora(&[silent], &frankfurt(), 60_000, false);
        assert_eq!(unproven.health, Health::Unknown, "our own network may be at fault");
    }

    #[test]
    fn a_status_in_which_the_cluster_serves_is_healthy_and_others_are_told_apart() {
        for (status, health) in [
            ("available", Health::Healthy),
            ("backing-up", Health::Healthy),
            ("modifying", Health::Healthy),
            ("failing-over", Health::Unhealthy),
            ("stopped", Health::Unhealthy),
            ("inaccessible-encryption-credentials", Health::Unhealthy),
            ("upgrading", Health::Unknown),
            ("renaming", Health::Unknown),
            ("something-new", Health::Unknown),
        ] {
            assert_eq!(aurora(AuroraSeen { source: Ok(Some(status.to_owned())), ..well() }), health, "{status}");
        }
    }

    #[test]
    fn lag_from_the_limit_on_is_unhealthy() {
        let lag = |ms| AuroraSeen { lag: Ok(Some(LagReading { ms, at: NOW })), ..well() };
        assert_eq!(aurora(lag(59_999)), Health::Healthy);
        assert_eq!(aurora(lag(60_000)), Health::Unhealthy);
        assert_eq!(aurora(AuroraSeen { source: Ok(None), ..lag(60_000) }), Health::Unhealthy);
    }

    #[test]
    fn a_cluster_that_somebody_else_moves_is_no_evidence_however_bad_it_looks() {
        let lost = AuroraSeen {
            source: Err(failed(Meaning::Unreachable)),
            lag: Ok(Some(LagReading { ms: 99_000, at: NOW })),
            ..well()
        };
        assert_eq!(aurora(lost.clone()), Health::Unhealthy);
        for topology in [Topology::Changing("failing-over".to_owned()), Topology::Reader, Topology::NotAMember] {
            assert_eq!(aurora(AuroraSeen { global: Ok(Some(topology)), ..lost.clone() }), Health::Unknown);
        }
    }

    #[test]
    fn of_several_clusters_the_worst_speaks_and_is_named() {
        let lost = AuroraSeen { name: "orders".to_owned(), source: Err(failed(Meaning::Unreachable)), ..well() };
        let unknown = AuroraSeen { name: "users".to_owned(), lag: Ok(None), ..well() };
        let evidence = of_aurora(&[well(), unknown.clone(), lost], &frankfurt(), 60_000, true);
        assert_eq!((evidence.health, evidence.rests_on), (Health::Unhealthy, vec![EvidenceKind::Aurora]));
        assert!(evidence.detail.starts_with("eu-central-1: "), "{}", evidence.detail);
        let evidence = of_aurora(&[well(), unknown], &frankfurt(), 60_000, true);
        assert_eq!(evidence.health, Health::Unknown);
        assert!(evidence.detail.contains("users"), "{}", evidence.detail);
    }

    #[test]
    fn the_lag_is_that_of_the_cluster_furthest_behind_and_unknown_if_any_is() {
        let at = |ms| ("trading".to_owned(), Ok(Some(LagReading { ms, at: NOW })));
        assert_eq!(furthest(&[at(5), at(700), at(30)]), Lag::Reading { ms: 700, at: NOW });
        assert_eq!(furthest(&[]), Lag::NotReplicated);
        for unknown in [Ok(None), Err(failed(Meaning::Denied))] {
            let lag = furthest(&[at(5), ("orders".to_owned(), unknown)]);
            assert!(matches!(lag, Lag::Unknown(_)), "{lag:?}");
            assert_eq!(lag.ms(), None);
        }
    }

    #[test]
    fn a_metrics_value_is_rounded_up_and_never_negative() {
        for (value, ms) in [(0.0, 0), (0.2, 1), (120.0, 120), (-3.0, 0), (f64::NAN, 0)] {
            assert_eq!(whole_millis(value), ms, "{value}");
        }
    }

    #[test]
    fn a_long_detail_is_cut_within_a_letter_boundary() {
        let names: Vec<String> = (0..100).map(|index| format!("Alärm-{index}")).collect();
        let alarms = names.iter().map(|name| alarm(name, AlarmState::Alarm, &[])).collect();
        let evidence = of_alarms(&names, &Ok(alarms));
        assert_eq!(evidence.detail.chars().count(), LONGEST_DETAIL + 1);
    }
}
